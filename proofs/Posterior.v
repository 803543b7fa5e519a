(** Softmax attention is a posterior mean, for any weights. (ledger: attention-posterior-mean)

    Read the n keys as the centres of a mixture of Gaussians: component j has prior proportional to exp(|k_j|^2 / 2)
    and emits q with density proportional to exp(-|q - k_j|^2 / 2). Then the attention weights ARE the posterior over
    the component given the query, and the head's output is the posterior mean of the values. But the split into prior
    and likelihood is a way of speaking: adding one vector to all keys changes no weight and sets the prior odds of two
    tokens to anything one likes. *)

Require Import Reals Lra Lia.
From Proofs Require Import Sums.
Open Scope R_scope.

Section Mixture.

  Variables (n d : nat) (key : nat -> nat -> R). (* key j, its coordinates below d *)
  Hypothesis some_token : (0 < n)%nat.

  Definition weight (k : nat -> nat -> R) (q : nat -> R) (j : nat) : R :=
    exp (dot d q (k j)) / sum n (fun i => exp (dot d q (k i))).

  Definition prior (k : nat -> nat -> R) (j : nat) : R := exp (dot d (k j) (k j) / 2). (* up to its sum *)

  (** The normal density around key j, up to a constant that does not depend on j. *)
  Definition likelihood (k : nat -> nat -> R) (q : nat -> R) (j : nat) : R :=
    exp (- (dot d (fun i => q i - k j i) (fun i => q i - k j i)) / 2).

  Definition posterior (k : nat -> nat -> R) (q : nat -> R) (j : nat) : R :=
    prior k j * likelihood k q j / sum n (fun i => prior k i * likelihood k q i).

  Lemma square_opens : forall q k, dot d (fun i => q i - k i) (fun i => q i - k i) = dot d q q - 2 * dot d q k + dot d k k.
  Proof.
    intros q k. unfold dot. rewrite <- sum_scale, <- sum_minus, <- sum_plus. apply sum_ext. intros; ring.
  Qed.

  Lemma joint : forall q j, prior key j * likelihood key q j = exp (- dot d q q / 2) * exp (dot d q (key j)).
  Proof.
    intros q j. unfold prior, likelihood. rewrite <- !exp_plus, square_opens. f_equal. field.
  Qed.

  (** The softmax weights are the posterior over the component, for every query. *)
  Theorem attention_weights_are_a_posterior : forall q j, weight key q j = posterior key q j.
  Proof.
    intros q j. unfold weight, posterior.
    rewrite (sum_ext n (fun i => prior key i * likelihood key q i)
      (fun i => exp (- dot d q q / 2) * exp (dot d q (key i)))) by (intros; apply joint).
    rewrite sum_scale, joint.
    assert (0 < sum n (fun i => exp (dot d q (key i)))) by (apply sum_positive; [assumption | intros; apply exp_pos]).
    pose proof (exp_pos (- dot d q q / 2)). field. split; lra.
  Qed.

  (** The head's output, coordinate by coordinate, is the mean of the values under that posterior. *)
  Theorem attention_is_a_posterior_mean : forall (value : nat -> nat -> R) q c,
    sum n (fun j => weight key q j * value j c) = sum n (fun j => posterior key q j * value j c).
  Proof. intros. apply sum_ext. intros. now rewrite attention_weights_are_a_posterior. Qed.

  Definition moved (u : nat -> R) (j i : nat) : R := key j i + u i.

  (** Adding one vector u to all keys changes no attention weight. *)
  Theorem one_vector_on_all_keys_changes_nothing : forall u q j, weight (moved u) q j = weight key q j.
  Proof.
    intros u q j. unfold weight, moved.
    assert (E : forall i, exp (dot d q (fun l => key i l + u l)) = exp (dot d q u) * exp (dot d q (key i))).
    { intro i. rewrite dot_plus_right, exp_plus. ring. }
    rewrite (sum_ext n _ (fun i => exp (dot d q u) * exp (dot d q (key i)))) by (intros; apply E).
    rewrite sum_scale, E.
    assert (0 < sum n (fun i => exp (dot d q (key i)))) by (apply sum_positive; [assumption | intros; apply exp_pos]).
    pose proof (exp_pos (dot d q u)). field. split; lra.
  Qed.

  Lemma prior_odds_move : forall u a b,
    prior (moved u) a / prior (moved u) b = prior key a / prior key b * exp (dot d (fun i => key a i - key b i) u).
  Proof.
    intros u a b. unfold prior, moved, Rdiv. rewrite <- !exp_Ropp, <- !exp_plus. f_equal.
    unfold dot. cbv beta. apply Rmult_eq_reg_l with 2; [| lra].
    set (A := sum d (fun i => (key a i + u i) * (key a i + u i))). set (B := sum d (fun i => (key b i + u i) * (key b i + u i))).
    set (A0 := sum d (fun i => key a i * key a i)). set (B0 := sum d (fun i => key b i * key b i)).
    assert (E : A - B = A0 - B0 + 2 * sum d (fun i => (key a i - key b i) * u i)).
    { unfold A, B, A0, B0. rewrite <- sum_minus, <- sum_minus, <- sum_scale, <- sum_plus. apply sum_ext. intros; ring. }
    lra.
  Qed.

  (** Two tokens with different keys: any prior odds r > 0 are reached, and the attention is the same for every query. *)
  Theorem prior_and_likelihood_are_not_identified : forall a b r,
    0 < dot d (fun i => key a i - key b i) (fun i => key a i - key b i) -> 0 < r ->
    exists u, prior (moved u) a / prior (moved u) b = r /\ forall q j, weight (moved u) q j = weight key q j.
  Proof.
    intros a b r Hd Hr. set (D := fun i => key a i - key b i) in *.
    assert (P : 0 < prior key a / prior key b) by (apply Rdiv_lt_0_compat; apply exp_pos).
    exists (fun i => (ln r - ln (prior key a / prior key b)) / dot d D D * D i).
    split; [| intros; apply one_vector_on_all_keys_changes_nothing].
    rewrite prior_odds_move. fold D. rewrite dot_scale_right.
    replace ((ln r - ln (prior key a / prior key b)) / dot d D D * dot d D D)
      with (ln r - ln (prior key a / prior key b)) by (field; lra).
    unfold Rminus. rewrite exp_plus, exp_Ropp, !exp_ln by assumption. field.
    split; apply Rgt_not_eq, exp_pos.
  Qed.

End Mixture.
