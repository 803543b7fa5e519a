(** updateBelief(p, q) = p q / (p q + (1-p)(1-q)): evidence adds in log odds. (paper section 3; ledger: update-belief rows)

    A commutative group on (0, 1), strictly between AND and OR. The paper's round applies it to the neighbours' beliefs,
    which is linear in log odds: on a path of three it hears its own echo, doubled every second round. *)

Require Import Reals Lra Lia Field Psatz.
Open Scope R_scope.

Definition U (p q : R) : R := p * q / (p * q + (1 - p) * (1 - q)).
Definition inside (p : R) : Prop := 0 < p < 1.

Lemma mass : forall p q, inside p -> inside q -> 0 < p * q + (1 - p) * (1 - q).
Proof. unfold inside; intros p q [? ?] [? ?]. nra. Qed.

(** ** A commutative group on (0, 1): unit 1/2, inverse 1 - p *)

(** The result of two probabilities inside (0, 1) is inside. *)
Theorem closed : forall p q, inside p -> inside q -> inside (U p q).
Proof.
  intros p q Hp Hq. pose proof (mass p q Hp Hq) as D. unfold U, inside in *. split.
  - apply Rdiv_lt_0_compat; [nra | assumption].
  - apply Rmult_lt_reg_r with (p * q + (1 - p) * (1 - q)); [assumption |].
    replace (p * q / (p * q + (1 - p) * (1 - q)) * (p * q + (1 - p) * (1 - q))) with (p * q) by (field; lra).
    assert (0 < (1 - p) * (1 - q)) by nra. lra.
Qed.

(** The order of two pieces of evidence does not matter. *)
Theorem commutative : forall p q, U p q = U q p.
Proof. intros; unfold U. f_equal; [| f_equal]; ring. Qed.

(** 1/2 says nothing. *)
Theorem unit : forall p, inside p -> U p (1 / 2) = p.
Proof. intros p [? ?]; unfold U. field. lra. Qed.

(** 1 - p takes p back. *)
Theorem inverse : forall p, inside p -> U p (1 - p) = 1 / 2.
Proof. intros p [? ?]; unfold U. field. nra. Qed.

(** Nor does the grouping. *)
Theorem associative : forall p q r, inside p -> inside q -> inside r -> U (U p q) r = U p (U q r).
Proof.
  intros p q r Hp Hq Hr. pose proof (mass p q Hp Hq). pose proof (mass q r Hq Hr).
  unfold U, inside in *. destruct Hp, Hq, Hr. field.
  assert (0 < p * q * r + (1 - p) * (1 - q) * (1 - r)).
  { assert (0 < p * q) by nra. assert (0 < (1 - p) * (1 - q)) by nra. nra. }
  repeat split; try lra; nra.
Qed.

(** ** Odds multiply, log odds add *)

(** The odds of the result are the product of the odds. *)
Theorem odds_multiply : forall p q, inside p -> inside q -> U p q / (1 - U p q) = p / (1 - p) * (q / (1 - q)).
Proof.
  intros p q Hp Hq. pose proof (mass p q Hp Hq). unfold U, inside in *. destruct Hp, Hq. field.
  repeat split; try lra. replace (p * q + (1 - p) * (1 - q) - p * q) with ((1 - p) * (1 - q)) by ring. nra.
Qed.

Definition logit (p : R) : R := ln (p / (1 - p)).

Lemma odds_positive : forall p, inside p -> 0 < p / (1 - p).
Proof. intros p [? ?]. apply Rdiv_lt_0_compat; lra. Qed.

(** Log odds add. *)
Theorem log_odds_add : forall p q, inside p -> inside q -> logit (U p q) = logit p + logit q.
Proof.
  intros p q Hp Hq. unfold logit. rewrite odds_multiply by assumption. apply ln_mult; now apply odds_positive.
Qed.

(** ** Neither AND nor OR, but strictly between them *)

(** More than AND of independent events. *)
Theorem above_and : forall p q, inside p -> inside q -> p * q < U p q.
Proof.
  intros p q Hp Hq. pose proof (mass p q Hp Hq) as D. unfold U, inside in *. destruct Hp, Hq.
  apply Rmult_lt_reg_r with (p * q + (1 - p) * (1 - q)); [assumption |].
  replace (p * q / (p * q + (1 - p) * (1 - q)) * (p * q + (1 - p) * (1 - q))) with (p * q) by (field; lra).
  assert (0 < p * q) by nra. assert (p * q + (1 - p) * (1 - q) < 1) by nra. nra.
Qed.

(** OR is AND seen from the other side: 1 - U p q = U (1-p) (1-q). *)
Theorem below_or : forall p q, inside p -> inside q -> U p q < p + q - p * q.
Proof.
  intros p q Hp Hq. pose proof (mass p q Hp Hq) as D.
  assert (Hp' : inside (1 - p)) by (unfold inside in *; lra).
  assert (Hq' : inside (1 - q)) by (unfold inside in *; lra).
  pose proof (above_and (1 - p) (1 - q) Hp' Hq') as A.
  replace (U (1 - p) (1 - q)) with (1 - U p q) in A; [nra |].
  unfold U, inside in *. destruct Hp, Hq. field. repeat split; nra.
Qed.

(** ** The paper's round on the path 0 - 1 - 2: each log odds becomes the sum of the neighbours' *)

Definition round (L : R * R * R) : R * R * R := let '(a, b, c) := L in (b, a + c, b).

Fixpoint rounds (n : nat) (L : R * R * R) : R * R * R :=
  match n with O => L | S m => round (rounds m L) end.

Definition middle (L : R * R * R) : R := snd (fst L).

Lemma triple : forall x y z x' y' z' : R, x = x' -> y = y' -> z = z' -> (x, y, z) = (x', y', z').
Proof. congruence. Qed.

(** Linear: the round of a sum is the sum of the rounds. *)
Theorem round_is_linear : forall s a b c a' b' c',
  round (s * a + a', s * b + b', s * c + c') =
  (s * fst (fst (round (a, b, c))) + fst (fst (round (a', b', c'))),
   s * middle (round (a, b, c)) + middle (round (a', b', c')),
   s * snd (round (a, b, c)) + snd (round (a', b', c'))).
Proof.
  intros; unfold round, middle; cbn [fst snd].
  apply triple; ring.
Qed.

(** Evidence l at one end: after 2k + 1 rounds the middle believes it 2^k times over. *)
Theorem the_path_of_three_echoes : forall l k, middle (rounds (2 * k + 1) (l, 0, 0)) = 2 ^ k * l.
Proof.
  intros l k.
  assert (E : forall k, exists a c, rounds (2 * k + 1) (l, 0, 0) = (a, 2 ^ k * l, c) /\ a = 0 /\ c = 0).
  { induction k0 as [| k0 [a [c [IH [-> ->]]]]].
    - exists 0, 0. repeat split. simpl. unfold round. apply triple; ring.
    - exists 0, 0. replace (2 * S k0 + 1)%nat with (S (S (2 * k0 + 1))) by lia.
      cbn [rounds]. rewrite IH. unfold round. repeat split. cbn [pow]. apply triple; ring. }
  destruct (E k) as [a [c [H _]]]. now rewrite H.
Qed.
