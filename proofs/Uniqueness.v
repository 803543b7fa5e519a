(** Which weights are forced? (paper Theorem 6.2; ledger: ffn-weights-forced, attention-weights-forced)

    The FFN: agreement with updateBelief in log odds at three points that do not lie on a line forces (1, 1, 0). On the
    diagonal alone it forces nothing. Attention: one head, seen on all inputs, fixes the product A = W_Q W_K^T and the
    product W_V W_O, never the factors: those are free up to an invertible matrix, and no freer (Gauge.v). *)

Require Import Reals Lra Lia.
From Proofs Require Import Sums.
Open Scope R_scope.

Definition sigmoid (x : R) : R := / (1 + exp (- x)).

Lemma sigmoid_injective : forall x y, sigmoid x = sigmoid y -> x = y.
Proof.
  intros x y H. unfold sigmoid in H. apply (f_equal Rinv) in H. rewrite !Rinv_inv in H.
  assert (E : exp (- x) = exp (- y)) by lra. apply exp_inv in E. lra.
Qed.

(** ** FFN *)

(** Agreement at three points off a line forces the weights (1, 1) and the bias 0. *)
Theorem ffn_weights_are_forced : forall w0 w1 b x0 y0 x1 y1 x2 y2,
  sigmoid (w0 * x0 + w1 * y0 + b) = sigmoid (x0 + y0) ->
  sigmoid (w0 * x1 + w1 * y1 + b) = sigmoid (x1 + y1) ->
  sigmoid (w0 * x2 + w1 * y2 + b) = sigmoid (x2 + y2) ->
  (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0) <> 0 -> (* the three points are not on a line *)
  w0 = 1 /\ w1 = 1 /\ b = 0.
Proof.
  intros w0 w1 b x0 y0 x1 y1 x2 y2 E0 E1 E2 D.
  apply sigmoid_injective in E0, E1, E2.
  assert (A : (w0 - 1) * (x1 - x0) + (w1 - 1) * (y1 - y0) = 0) by lra.
  assert (B : (w0 - 1) * (x2 - x0) + (w1 - 1) * (y2 - y0) = 0) by lra.
  assert (W0 : (w0 - 1) * ((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)) = 0).
  { replace (_ * _) with (((w0 - 1) * (x1 - x0) + (w1 - 1) * (y1 - y0)) * (y2 - y0)
      - ((w0 - 1) * (x2 - x0) + (w1 - 1) * (y2 - y0)) * (y1 - y0)) by ring. rewrite A, B. ring. }
  assert (W1 : (w1 - 1) * ((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)) = 0).
  { replace (_ * _) with (((w0 - 1) * (x2 - x0) + (w1 - 1) * (y2 - y0)) * (x1 - x0)
      - ((w0 - 1) * (x1 - x0) + (w1 - 1) * (y1 - y0)) * (x2 - x0)) by ring. rewrite A, B. ring. }
  apply Rmult_integral in W0, W1. destruct W0 as [W0 | W0]; [| contradiction].
  destruct W1 as [W1 | W1]; [| contradiction].
  assert (w0 = 1) by lra. assert (w1 = 1) by lra. subst. repeat split. lra.
Qed.

(** Inputs that always agree leave the split open: (2, 0, 0) does as well as (1, 1, 0). *)
Theorem on_the_diagonal_nothing_is_forced : forall x, sigmoid (2 * x + 0 * x + 0) = sigmoid (x + x).
Proof. intro x. f_equal. ring. Qed.

(** ** Attention: one head on one and on two tokens *)

Section Head.

  Variable d : nat.
  Definition vector := nat -> R.
  Definition bilinear (A : nat -> nat -> R) (x y : vector) : R := sum d (fun i => x i * sum d (fun j => A i j * y j)).
  Definition apply (V : nat -> nat -> R) (x : vector) (c : nat) : R := sum d (fun i => V c i * x i).

  (** What the first of two tokens receives: scores x A x and x A y, values V x and V y. *)
  Definition head2 (A V : nat -> nat -> R) (x y : vector) (c : nat) : R :=
    (exp (bilinear A x x) * apply V x c + exp (bilinear A x y) * apply V y c)
    / (exp (bilinear A x x) + exp (bilinear A x y)).

  Definition head1 (A V : nat -> nat -> R) (x : vector) (c : nat) : R :=
    exp (bilinear A x x) * apply V x c / exp (bilinear A x x).

  Lemma bilinear_minus_right : forall A x y z, bilinear A x (fun i => y i - z i) = bilinear A x y - bilinear A x z.
  Proof.
    intros. unfold bilinear. rewrite <- sum_minus. apply sum_ext. intros i _.
    rewrite (sum_ext d (fun j => A i j * (y j - z j)) (fun j => A i j * y j - A i j * z j)) by (intros; ring).
    rewrite sum_minus. ring.
  Qed.

  Lemma apply_minus : forall V x y c, apply V (fun i => x i - y i) c = apply V x c - apply V y c.
  Proof. intros. unfold apply. rewrite <- sum_minus. apply sum_ext. intros; ring. Qed.

  Lemma bilinear_ext : forall A x y z, (forall i, y i = z i) -> bilinear A x y = bilinear A x z.
  Proof. intros A x y z H. unfold bilinear. apply sum_ext; intros. f_equal. apply sum_ext; intros. now rewrite H. Qed.

  Lemma apply_ext : forall V x y c, (forall i, x i = y i) -> apply V x c = apply V y c.
  Proof. intros V x y c H. unfold apply. apply sum_ext; intros. now rewrite H. Qed.

  Variables A V B W : nat -> nat -> R.
  Hypothesis same_on_one_token : forall x c, (c < d)%nat -> head1 A V x c = head1 B W x c.
  Hypothesis same_on_two_tokens : forall x y c, (c < d)%nat -> head2 A V x y c = head2 B W x y c.

  (** One token attends to itself alone: the values are read off. *)
  Theorem values_are_determined : forall x c, (c < d)%nat -> apply V x c = apply W x c.
  Proof.
    intros x c Hc. pose proof (same_on_one_token x c Hc) as H. unfold head1 in H.
    pose proof (exp_pos (bilinear A x x)). pose proof (exp_pos (bilinear B x x)).
    replace (apply V x c) with (exp (bilinear A x x) * apply V x c / exp (bilinear A x x)) by (field; lra).
    rewrite H. field. lra.
  Qed.

  (** Where the values tell x from y apart, the odds of attention are equal, and so x A (x - y) = x B (x - y). *)
  Lemma differences_agree : forall x y c, (c < d)%nat -> apply V (fun i => x i - y i) c <> 0 ->
    bilinear A x (fun i => x i - y i) = bilinear B x (fun i => x i - y i).
  Proof.
    intros x y c Hc Hv. pose proof (same_on_two_tokens x y c Hc) as H. unfold head2 in H.
    rewrite <- !values_are_determined in H by assumption. rewrite apply_minus in Hv. rewrite !bilinear_minus_right.
    pose proof (exp_pos (bilinear A x x)) as a. pose proof (exp_pos (bilinear A x y)) as a'.
    pose proof (exp_pos (bilinear B x x)) as b. pose proof (exp_pos (bilinear B x y)) as b'.
    set (vx := apply V x c) in *. set (vy := apply V y c) in *.
    set (axx := exp (bilinear A x x)) in *. set (axy := exp (bilinear A x y)) in *.
    set (bxx := exp (bilinear B x x)) in *. set (bxy := exp (bilinear B x y)) in *.
    assert (E : (axx * vx + axy * vy) * (bxx + bxy) = (bxx * vx + bxy * vy) * (axx + axy)).
    { apply Rmult_eq_compat_r with (r := (axx + axy) * (bxx + bxy)) in H. field_simplify in H; lra. }
    assert (F : (axx * bxy - axy * bxx) * (vx - vy) = 0) by lra.
    apply Rmult_integral in F. destruct F as [F | F]; [| contradiction].
    assert (G : axx * bxy = axy * bxx) by lra. unfold axx, axy, bxx, bxy in G. rewrite <- !exp_plus in G.
    apply exp_inv in G. lra.
  Qed.

  (** If the values are not all zero, the bilinear form of the scores is determined on all pairs of vectors. *)
  Theorem scores_are_determined : forall y0 c0, (c0 < d)%nat -> apply V y0 c0 <> 0 ->
    forall x y, bilinear A x y = bilinear B x y.
  Proof.
    intros y0 c0 Hc H0.
    assert (seen : forall x y, apply V y c0 <> 0 -> bilinear A x y = bilinear B x y).
    { intros x y Hy. pose proof (differences_agree x (fun i => x i - y i) c0 Hc) as D.
      cbv beta in D. assert (E : forall i, x i - (x i - y i) = y i) by (intro; ring).
      rewrite (apply_ext V _ y c0 E), (bilinear_ext A x _ y E), (bilinear_ext B x _ y E) in D. auto. }
    intros x y. destruct (Req_dec (apply V y c0) 0) as [Hy | Hy]; [| now apply seen].
    assert (M : apply V (fun i => y i - (0 - y0 i)) c0 <> 0).
    { rewrite apply_minus, Hy, apply_minus. intro Z. apply H0.
      assert (apply V (fun _ => 0) c0 = 0); [| lra].
      unfold apply. rewrite (sum_ext d _ (fun _ => 0)) by (intros; ring). apply sum_zero. }
    pose proof (seen x _ M) as S1. pose proof (seen x y0 H0) as S2.
    rewrite !bilinear_minus_right in S1.
    assert (Z : forall C, bilinear C x (fun _ => 0) = 0).
    { intro C. unfold bilinear. rewrite (sum_ext d _ (fun _ => 0)); [apply sum_zero |]. intros i _.
      rewrite (sum_ext d _ (fun _ => 0)) by (intros; ring). rewrite sum_zero. ring. }
    rewrite !Z in S1. lra.
  Qed.

  Definition unit (i : nat) : vector := fun j => if Nat.eqb i j then 1 else 0.

  Lemma bilinear_units : forall C i j, (i < d)%nat -> (j < d)%nat -> bilinear C (unit i) (unit j) = C i j.
  Proof.
    intros C i j Hi Hj. unfold bilinear. rewrite (sum_single d i).
    - unfold unit at 1. rewrite Nat.eqb_refl, Rmult_1_l. rewrite (sum_single d j); [| assumption |].
      + unfold unit. rewrite Nat.eqb_refl. ring.
      + intros k _ Hk. unfold unit. replace (Nat.eqb j k) with false; [ring |].
        symmetry. apply Nat.eqb_neq. lia.
    - assumption.
    - intros k _ Hk. unfold unit at 1. replace (Nat.eqb i k) with false; [ring |].
      symmetry. apply Nat.eqb_neq. lia.
  Qed.

  (** So A = W_Q W_K^T is determined, entry by entry. *)
  Theorem attention_matrix_is_determined : forall y0 c0, (c0 < d)%nat -> apply V y0 c0 <> 0 ->
    forall i j, (i < d)%nat -> (j < d)%nat -> A i j = B i j.
  Proof.
    intros y0 c0 Hc H0 i j Hi Hj. rewrite <- (bilinear_units A i j Hi Hj), <- (bilinear_units B i j Hi Hj).
    exact (scores_are_determined y0 c0 Hc H0 _ _).
  Qed.

End Head.
