(** One layer of the pairwise construction is one sum-product message. (ledger: compiled-round and the rows of activations)

    In log odds the message through a table T from a sender with cavity log odds x is a difference of two softplus.
    ReLU in the same place gives max-product, exactly. A sigmoid of probabilities does not give the message for any
    coupling; it is the limit of infinitely many, infinitely weak copies of the neighbour. *)

Require Import Reals Lra Field Psatz Lia.
Open Scope R_scope.

Definition softplus (x : R) : R := ln (1 + exp x).
Definition sigmoid (x : R) : R := / (1 + exp (- x)).
Definition relu (x : R) : R := Rmax 0 x.

Lemma one_plus_exp : forall x, 0 < 1 + exp x.
Proof. intro x. pose proof (exp_pos x). lra. Qed.

Section Message.

  (** The table: T_rs for receiver... T01 pairs the sender's state 0 with the receiver's state 1. *)
  Variables T00 T01 T10 T11 : R.
  Hypotheses (P00 : 0 < T00) (P01 : 0 < T01) (P10 : 0 < T10) (P11 : 0 < T11).

  (** What the sum-product message is: log odds of sum over the sender's state, whose odds are exp x. *)
  Definition sum_message (x : R) : R := ln ((T01 + T11 * exp x) / (T00 + T10 * exp x)).

  (** What the max-product message is. *)
  Definition max_message (x : R) : R := Rmax (ln T01) (ln T11 + x) - Rmax (ln T00) (ln T10 + x).

  (** What the layer computes, with its constants a, c, d; act is the activation. *)
  Definition layer (act : R -> R) (x : R) : R :=
    act (x + (ln T11 - ln T01)) - act (x + (ln T10 - ln T00)) + (ln T01 - ln T00).

  (** With softplus the layer IS the sum-product message. *)
  Theorem pairwise_layer_is_sum_product : forall x, layer softplus x = sum_message x.
  Proof.
    intro x. unfold layer, sum_message, softplus. pose proof (exp_pos x) as E.
    assert (A : 1 + exp (x + (ln T11 - ln T01)) = (T01 + T11 * exp x) / T01).
    { rewrite exp_plus. unfold Rminus. rewrite exp_plus, exp_ln, exp_Ropp, exp_ln by assumption. field. lra. }
    assert (B : 1 + exp (x + (ln T10 - ln T00)) = (T00 + T10 * exp x) / T00).
    { rewrite exp_plus. unfold Rminus. rewrite exp_plus, exp_ln, exp_Ropp, exp_ln by assumption. field. lra. }
    rewrite A, B. unfold Rdiv.
    assert (0 < T01 + T11 * exp x) by nra. assert (0 < T00 + T10 * exp x) by nra.
    rewrite !ln_mult, !ln_Rinv; try assumption; try (apply Rinv_0_lt_compat; assumption). ring.
  Qed.

  (** With ReLU, and the same constants, it IS the max-product message. *)
  Theorem relu_layer_is_max_product : forall x, layer relu x = max_message x.
  Proof.
    intro x. unfold layer, max_message, relu, Rmax.
    repeat match goal with |- context [Rle_dec ?a ?b] => destruct (Rle_dec a b) end; lra.
  Qed.

End Message.

(** Sharpened softplus lies above ReLU by at most ln 2 / b. *)
Theorem softplus_tends_to_relu : forall b x, 0 < b -> 0 <= softplus (b * x) / b - relu x <= ln 2 / b.
Proof.
  intros b x Hb. unfold softplus, relu. assert (I : 0 < / b) by (apply Rinv_0_lt_compat; assumption).
  assert (H : Rmax 0 (b * x) <= ln (1 + exp (b * x)) <= ln 2 + Rmax 0 (b * x)).
  { assert (L : forall u v, 0 < u -> u <= v -> ln u <= ln v).
    { intros u v Hu [Huv | ->]; [left; now apply ln_increasing | lra]. }
    pose proof (exp_pos (b * x)) as E. split.
    - apply Rmax_lub; [rewrite <- ln_1; apply L; lra | rewrite <- (ln_exp (b * x)) at 1; apply L; lra].
    - unfold Rmax. destruct (Rle_dec 0 (b * x)) as [h | h].
      + rewrite <- (ln_exp (b * x)) at 2. rewrite <- ln_mult by lra. apply L; [lra |].
        assert (1 <= exp (b * x)); [| lra]. rewrite <- exp_0.
        destruct h as [h | <-]; [left; now apply exp_increasing | lra].
      + rewrite Rplus_0_r. apply L; [lra |].
        assert (exp (b * x) < 1); [rewrite <- exp_0; apply exp_increasing; lra | lra]. }
  assert (M : Rmax 0 (b * x) = b * Rmax 0 x).
  { rewrite <- (Rmult_0_r b) at 1. rewrite RmaxRmult; lra. }
  rewrite M in H. unfold Rdiv. split.
  - assert (b * Rmax 0 x * / b <= ln (1 + exp (b * x)) * / b) by (apply Rmult_le_compat_r; lra).
    replace (b * Rmax 0 x * / b) with (Rmax 0 x) in H0 by (field; lra). lra.
  - assert (ln (1 + exp (b * x)) * / b <= (ln 2 + b * Rmax 0 x) * / b) by (apply Rmult_le_compat_r; lra).
    replace ((ln 2 + b * Rmax 0 x) * / b) with (ln 2 * / b + Rmax 0 x) in H0 by (field; lra). lra.
Qed.

(** ** Sigmoid on probabilities *)

(** The coupling exp(W s r) sends softplus(x + W) - softplus(x); a weight on the probability would send W sigmoid(x).
    At even odds the two differ for every coupling but 0. *)
Theorem sigmoid_of_probabilities_is_not_the_message : forall W, W <> 0 ->
  softplus (0 + W) - softplus 0 <> W * sigmoid 0.
Proof.
  intros W HW H. unfold softplus, sigmoid in H. rewrite Ropp_0, exp_0, Rplus_0_l in H.
  set (u := exp (W / 2)).
  assert (U : exp W = u * u) by (unfold u; rewrite <- exp_plus; f_equal; field).
  assert (u <> 1).
  { unfold u. intro e. rewrite <- exp_0 in e. apply exp_inv in e. lra. }
  assert (P : 0 < u) by apply exp_pos.
  assert (Hl : ln (1 + exp W) = ln 2 + W / 2) by (replace (1 + 1) with 2 in H by lra; lra).
  assert (E : 1 + exp W = 2 * u).
  { rewrite <- (exp_ln (1 + exp W)) by apply one_plus_exp. rewrite Hl, exp_plus, exp_ln by lra. reflexivity. }
  rewrite U in E. assert ((u - 1) * (u - 1) = 0) by lra. apply Rmult_integral in H1. destruct H1; lra.
Qed.

Lemma softplus_slope : forall x, derivable_pt_lim softplus x (sigmoid x).
Proof.
  intro x. unfold softplus, sigmoid.
  replace (/ (1 + exp (- x))) with (/ (1 + exp x) * (0 + exp x)).
  - apply (derivable_pt_lim_comp (fun y => 1 + exp y) ln).
    + apply (derivable_pt_lim_plus (fun _ => 1) exp); [apply derivable_pt_lim_const | apply derivable_pt_lim_exp].
    + apply derivable_pt_lim_ln. apply one_plus_exp.
  - pose proof (exp_pos x). rewrite exp_Ropp. field. repeat split; lra.
Qed.

(** N copies of the neighbour at coupling W / N send, in the limit, exactly the weighted probability. *)
Theorem sigmoid_is_the_limit_of_weak_copies : forall x W,
  Un_cv (fun n => INR (S n) * (softplus (x + W / INR (S n)) - softplus x)) (W * sigmoid x).
Proof.
  intros x W. destruct (Req_dec W 0) as [-> | HW].
  - intros eps He. exists 0%nat. intros n _. unfold R_dist.
    replace (x + 0 / INR (S n)) with x by (unfold Rdiv; ring).
    replace (INR (S n) * (softplus x - softplus x) - 0 * sigmoid x) with 0 by ring. rewrite Rabs_R0. exact He.
  - intros eps He.
    assert (Ha : 0 < Rabs W) by (apply Rabs_pos_lt; assumption).
    assert (Hd : 0 < eps / Rabs W) by (apply Rdiv_lt_0_compat; lra).
    destruct (softplus_slope x (eps / Rabs W) Hd) as [delta D].
    destruct (archimed_cor1 (delta / Rabs W)) as [N [HN HN0]].
    { apply Rdiv_lt_0_compat; [apply cond_pos | assumption]. }
    exists N. intros n Hn. unfold R_dist.
    assert (HS : 0 < INR (S n)) by (apply lt_0_INR; lia).
    set (h := W / INR (S n)).
    assert (Hh : h <> 0).
    { unfold h, Rdiv. apply Rmult_integral_contrapositive_currified; [assumption |]. apply Rinv_neq_0_compat. lra. }
    assert (Hs : Rabs h < delta).
    { unfold h, Rdiv. rewrite Rabs_mult, (Rabs_pos_eq (/ INR (S n))) by (left; now apply Rinv_0_lt_compat).
      assert (/ INR (S n) <= / INR N).
      { apply Rinv_le_contravar; [now apply lt_0_INR |]. apply le_INR. lia. }
      apply Rle_lt_trans with (Rabs W * / INR N); [apply Rmult_le_compat_l; lra |].
      apply Rmult_lt_reg_r with (/ Rabs W); [now apply Rinv_0_lt_compat |].
      assert (0 < INR N) by now apply lt_0_INR.
      replace (Rabs W * / INR N * / Rabs W) with (/ INR N) by (field; split; lra). exact HN. }
    specialize (D h Hh Hs).
    assert (Hn' : INR (S n) = W / h) by (unfold h; field; split; lra).
    replace (INR (S n) * (softplus (x + h) - softplus x) - W * sigmoid x)
      with (W * ((softplus (x + h) - softplus x) / h - sigmoid x)) by (rewrite Hn'; unfold Rdiv; ring).
    rewrite Rabs_mult. apply Rmult_lt_reg_l with (/ Rabs W); [now apply Rinv_0_lt_compat |].
    rewrite <- Rmult_assoc, Rinv_l, Rmult_1_l by lra.
    replace (/ Rabs W * eps) with (eps / Rabs W) by (unfold Rdiv; ring). exact D.
Qed.
