(** Do factors over three bits binarise? (ledger: kary-factors-binarise, positive-factors-binarise)

    AND does not: its support is not closed under majority, and everything that pairwise tables of bits can support is,
    hidden bits included, however many. Tables without a zero do: every positive table on three bits is pairwise plus
    one hidden bit. *)

Require Import Reals Lra Lia Psatz Bool.

(** ** Zeros: no product of pairwise tables has the support of AND *)

Definition majority (a b c : bool) : bool := (a && b) || (a && c) || (b && c).

Lemma pairs_are_closed : forall (S : bool -> bool -> bool) a1 b1 a2 b2 a3 b3,
  S a1 b1 = true -> S a2 b2 = true -> S a3 b3 = true -> S (majority a1 a2 a3) (majority b1 b2 b3) = true.
Proof. intros S a1 b1 a2 b2 a3 b3 H1 H2 H3. destruct a1, b1, a2, b2, a3, b3; simpl; assumption. Qed.

Section Hidden.

  (** Any set of binary variables, three of them visible, any pairwise supports. *)
  Variable variable : Type.
  Variables A B M : variable.
  Variable supports : variable -> variable -> bool -> bool -> bool.

  Definition possible (x : variable -> bool) : Prop := forall u v, supports u v (x u) (x v) = true.
  Definition visible (a b m : bool) : Prop := exists x, possible x /\ x A = a /\ x B = b /\ x M = m.

  (** Whatever the hidden bits and the pairwise tables: what they leave possible for A, B, M is not "M = A and B". *)
  Theorem and_does_not_binarise : ~ (forall a b m, visible a b m <-> m = a && b).
  Proof.
    intro H.
    destruct (proj2 (H false true false) eq_refl) as (x & Hx & xa & xb & xm).
    destruct (proj2 (H true false false) eq_refl) as (y & Hy & ya & yb & ym).
    destruct (proj2 (H true true true) eq_refl) as (z & Hz & za & zb & zm).
    assert (W : visible true true false).
    { exists (fun v => majority (x v) (y v) (z v)). repeat split.
      - intros u v. apply pairs_are_closed; auto.
      - now rewrite xa, ya, za.
      - now rewrite xb, yb, zb.
      - now rewrite xm, ym, zm. }
    apply H in W. discriminate.
  Qed.

End Hidden.

(** ** No zeros: every positive table on three bits is pairwise plus one hidden bit *)

Open Scope R_scope.

Definition bit (b : bool) : R := if b then 1 else 0.

(** What a hidden bit with bias b and coupling w to each of the three leaves behind when it is summed out. *)
Definition summed_out (b w s : R) : R := ln (1 + exp (b + w * s)).

(** The part of it that no pairwise tables can make: its third difference. *)
Definition third (b w : R) : R := summed_out b w 3 - 3 * summed_out b w 2 + 3 * summed_out b w 1 - summed_out b w 0.

Lemma ln_monotone : forall u v, 0 < u -> u <= v -> ln u <= ln v.
Proof. intros u v Hu [H | ->]; [left; now apply ln_increasing | lra]. Qed.

Lemma summed_out_bounds : forall b w s, 0 <= summed_out b w s /\ b + w * s <= summed_out b w s.
Proof.
  intros. unfold summed_out. pose proof (exp_pos (b + w * s)). split.
  - rewrite <- ln_1 at 1. apply ln_monotone; lra.
  - rewrite <- (ln_exp (b + w * s)) at 1. apply ln_monotone; lra.
Qed.

Lemma summed_out_above : forall b w s, 0 <= b + w * s -> summed_out b w s <= ln 2 + (b + w * s).
Proof.
  intros b w s H. unfold summed_out. rewrite <- (ln_exp (b + w * s)) at 2.
  pose proof (exp_pos (b + w * s)). rewrite <- ln_mult by lra. apply ln_monotone; [lra |].
  assert (1 <= exp (b + w * s)); [| lra].
  rewrite <- exp_0. destruct H as [H | <-]; [left; now apply exp_increasing | lra].
Qed.

Lemma summed_out_below : forall b w s, b + w * s <= 0 -> summed_out b w s <= ln 2.
Proof.
  intros b w s H. unfold summed_out. pose proof (exp_pos (b + w * s)). apply ln_monotone; [lra |].
  assert (exp (b + w * s) <= 1); [| lra].
  rewrite <- exp_0. destruct H as [H | ->]; [left; now apply exp_increasing | lra].
Qed.

Lemma summed_out_continuous : forall k s, continuity (fun w => summed_out (k * w) w s).
Proof.
  intros k s w. unfold summed_out. apply (continuity_pt_comp (fun w => 1 + exp (k * w + w * s)) ln).
  - apply derivable_continuous_pt. reg.
  - apply derivable_continuous_pt. exists (/ (1 + exp (k * w + w * s))). apply derivable_pt_lim_ln.
    pose proof (exp_pos (k * w + w * s)). lra.
Qed.

Lemma third_continuous : forall k, continuity (fun w => third (k * w) w).
Proof.
  intros k w. unfold third.
  repeat first [apply continuity_pt_minus | apply continuity_pt_plus].
  all: try apply (summed_out_continuous k).
  all: apply (continuity_pt_scal (fun w => summed_out (k * w) w _) 3); apply summed_out_continuous.
Qed.

Lemma third_at_rest : third 0 0 = 0.
Proof. unfold third, summed_out. rewrite !Rmult_0_l, !Rplus_0_l. ring. Qed.

(** Every real number is reached: upwards with b = -2.5 w, downwards with b = -w. *)
Theorem third_difference_is_onto : forall c, exists b w, third b w = c.
Proof.
  intro c. pose proof (ln_lt_2) as L2.
  destruct (Rle_lt_dec 0 c) as [Hc | Hc].
  - set (top := 2 * c + 8 * ln 2).
    destruct (IVT_cor (fun w => third (- (5 / 2) * w) w - c) 0 top) as [w [_ Hw]].
    + intro x. apply continuity_pt_minus; [apply third_continuous | apply continuity_pt_const; intros ? ?; reflexivity].
    + unfold top. lra.
    + replace (- (5 / 2) * 0) with 0 by ring. rewrite third_at_rest.
      assert (0 <= third (- (5 / 2) * top) top - c); [| nra].
      unfold third.
      pose proof (summed_out_bounds (- (5 / 2) * top) top 3). pose proof (summed_out_bounds (- (5 / 2) * top) top 1).
      assert (summed_out (- (5 / 2) * top) top 2 <= ln 2) by (apply summed_out_below; unfold top; lra).
      assert (summed_out (- (5 / 2) * top) top 0 <= ln 2) by (apply summed_out_below; unfold top; lra).
      unfold top in *. lra.
    + exists (- (5 / 2) * w), w. lra.
  - set (top := - c + 4 * ln 2).
    destruct (IVT_cor (fun w => third (- 1 * w) w - c) 0 top) as [w [_ Hw]].
    + intro x. apply continuity_pt_minus; [apply third_continuous | apply continuity_pt_const; intros ? ?; reflexivity].
    + unfold top. lra.
    + replace (- 1 * 0) with 0 by ring. rewrite third_at_rest.
      assert (third (- 1 * top) top - c <= 0); [| nra].
      unfold third.
      pose proof (summed_out_bounds (- 1 * top) top 2). pose proof (summed_out_bounds (- 1 * top) top 0).
      assert (summed_out (- 1 * top) top 3 <= ln 2 + (- 1 * top + top * 3))
        by (apply summed_out_above; unfold top; lra).
      assert (summed_out (- 1 * top) top 1 <= ln 2) by (apply summed_out_below; lra).
      unfold top in *. lra.
    + exists (- 1 * w), w. lra.
Qed.

(** A table of pairwise tables and one hidden bit h, all of them exponentials and so without a zero. *)
Definition pairwise_with_hidden_bit (f g k : bool -> bool -> R) (b w : R) (x y z : bool) : R :=
  let at_h h := exp (f x y) * exp (g x z) * exp (k y z)
    * (exp (b * bit h) * exp (w * bit h * bit x) * exp (w * bit h * bit y) * exp (w * bit h * bit z)) in
  at_h false + at_h true.

(** Every table without a zero is such a product, summed over the hidden bit. *)
Theorem positive_tables_binarise : forall T : bool -> bool -> bool -> R, (forall x y z, 0 < T x y z) ->
  exists f g k b w, forall x y z, T x y z = pairwise_with_hidden_bit f g k b w x y z.
Proof.
  intros T P.
  destruct (third_difference_is_onto (ln (T true true true) - ln (T true true false) - ln (T true false true)
    - ln (T false true true) + ln (T true false false) + ln (T false true false) + ln (T false false true)
    - ln (T false false false))) as (b & w & H).
  set (S := fun x y z => ln (T x y z) - summed_out b w (bit x + bit y + bit z)).
  exists (fun x y => S x y false), (fun x z => S x false z - S x false false),
    (fun y z => S false y z - S false y false - S false false z + S false false false), b, w.
  intros x y z. unfold pairwise_with_hidden_bit. cbn [bit].
  replace (exp (b * 0) * exp (w * 0 * bit x) * exp (w * 0 * bit y) * exp (w * 0 * bit z)) with 1
    by (rewrite !Rmult_0_r, !Rmult_0_l, exp_0; ring).
  replace (exp (b * 1) * exp (w * 1 * bit x) * exp (w * 1 * bit y) * exp (w * 1 * bit z))
    with (exp (b + w * (bit x + bit y + bit z))) by (rewrite <- !exp_plus; f_equal; ring).
  rewrite <- Rmult_plus_distr_l, <- !exp_plus.
  assert (E : 1 + exp (b + w * (bit x + bit y + bit z)) = exp (summed_out b w (bit x + bit y + bit z))).
  { unfold summed_out. rewrite exp_ln; [reflexivity |]. pose proof (exp_pos (b + w * (bit x + bit y + bit z))). lra. }
  rewrite E, <- exp_plus, <- (exp_ln (T x y z) (P x y z)) at 1. f_equal.
  unfold third in H. unfold S.
  destruct x, y, z; cbn [bit];
    repeat first [rewrite Rplus_0_l | rewrite Rplus_0_r];
    replace (1 + 1 + 1) with 3 in * by ring; replace (1 + 1) with 2 in * by ring; lra.
Qed.
