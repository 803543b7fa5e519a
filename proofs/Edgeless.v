(** Any function at all is the beliefs of a graph without an edge. (paper Theorem 1.1; ledger: implicit-graph-exists)

    So "for these weights there is a factor graph whose beliefs are the outputs", with no word on how the graph is made of
    the weights, says nothing about the weights: it is true of every machine whose outputs are probabilities. *)

Require Import Reals Lra Lia List Bool Arith.
From Proofs Require Import Pairwise Trees.
Import ListNotations.
Open Scope R_scope.

(** A sum over all states of a product, one term for each vertex, is the product of the sums. *)
Lemma total_of_product : forall (w : nat -> bool -> R) l, NoDup l -> forall x,
  total l (fun s => product_of (fun u => w u (s u)) l) x = product_of (fun u => w u false + w u true) l.
Proof.
  induction l as [| v l IH]; intros N x; [reflexivity |]. inversion N as [| ? ? Hv Nl]; subst.
  assert (one : forall b, total l (fun s => product_of (fun u => w u (s u)) (v :: l)) (set x v b)
      = w v b * product_of (fun u => w u false + w u true) l).
  { intro b. rewrite <- (IH Nl (set x v b)).
    rewrite <- (set_same x v b) at 2.
    apply (total_constant l (fun u => u = v) (fun s => w v (s v)) (fun s => product_of (fun u => w u (s u)) l)).
    - intros y z H. now rewrite (H v eq_refl).
    - now intros u ->. }
  cbn [total]. rewrite !one. cbn [product_of fold_right].
  change (fold_right (fun a rest => (w a false + w a true) * rest) 1 l) with (product_of (fun u => w u false + w u true) l).
  ring.
Qed.

Lemma product_ext : forall A (f g : A -> R) l, (forall a, In a l -> f a = g a) -> product_of f l = product_of g l.
Proof.
  induction l as [| a l IH]; intro H; [reflexivity |]. cbn [product_of fold_right].
  change (fold_right (fun a rest => f a * rest) 1 l) with (product_of f l).
  change (fold_right (fun a rest => g a * rest) 1 l) with (product_of g l).
  rewrite (H a) by now left. rewrite IH; [reflexivity | intros; apply H; now right].
Qed.

Lemma product_with_zero : forall A (f : A -> R) l a, In a l -> f a = 0 -> product_of f l = 0.
Proof.
  intros A f l a H Z. apply in_split in H as [before [after ->]]. rewrite product_app. cbn [product_of fold_right].
  rewrite Z. ring.
Qed.

(** The marginal of a graph without edges over the vertices 0 .. n - 1: the sum over all assignments of the product of the
    fields, those with v in state true over all of them. *)
Definition edgeless_weight (field : nat -> R) (n : nat) (s : assignment) : R := product_of (own field s) (seq 0 n).
Definition edgeless_marginal (field : nat -> R) (n v : nat) : R :=
  total (seq 0 n) (fun s => if s v then edgeless_weight field n s else 0) nowhere
  / total (seq 0 n) (edgeless_weight field n) nowhere.

Lemma edgeless_marginal_is_own : forall field n v, (v < n)%nat -> edgeless_marginal field n v = sigmoid (field v).
Proof.
  intros field n v Hv. pose proof (seq_NoDup n 0) as N. assert (I : In v (seq 0 n)) by (apply in_seq; lia).
  unfold edgeless_marginal, edgeless_weight.
  set (w := fun u (b : bool) => if b then exp (field u) else 1).
  set (kept := fun u (b : bool) => if Nat.eqb u v then (if b then exp (field u) else 0) else w u b).
  rewrite (total_ext _ _ (fun s => product_of (fun u => kept u (s u)) (seq 0 n))).
  2: { intro s. destruct (s v) eqn:E.
    - apply product_ext. intros u _. unfold own, kept, w. destruct (Nat.eqb u v) eqn:Euv; [| reflexivity].
      apply Nat.eqb_eq in Euv. subst u. now rewrite E.
    - symmetry. apply (product_with_zero _ _ _ v I). unfold kept. now rewrite Nat.eqb_refl, E. }
  rewrite (total_of_product kept _ N).
  change (fun s => product_of (own field s) (seq 0 n)) with (fun s : assignment => product_of (fun u => w u (s u)) (seq 0 n)).
  rewrite (total_of_product w _ N).
  apply in_split in I as [before [after E]]. rewrite E in *. rewrite !product_app. cbn [product_of fold_right].
  fold (product_of (fun u => kept u false + kept u true) after). fold (product_of (fun u => w u false + w u true) after).
  apply NoDup_remove_2 in N. rewrite in_app_iff in N.
  assert (same : forall l, ~ In v l -> product_of (fun u => kept u false + kept u true) l = product_of (fun u => w u false + w u true) l).
  { intros l H. apply product_ext. intros u Hu. unfold kept.
    destruct (Nat.eqb u v) eqn:Euv; [| reflexivity]. apply Nat.eqb_eq in Euv. subst u. contradiction. }
  rewrite !same by tauto.
  replace (kept v false + kept v true) with (exp (field v)) by (unfold kept; rewrite Nat.eqb_refl; ring).
  change (w v false + w v true) with (1 + exp (field v)).
  assert (pos : forall l, 0 < product_of (fun u => w u false + w u true) l).
  { intro l. apply product_positive. intros u _. unfold w. pose proof (exp_pos (field u)). lra. }
  pose proof (pos before). pose proof (pos after). pose proof (exp_pos (field v)).
  unfold sigmoid. rewrite exp_Ropp. field. repeat split; lra.
Qed.

(** For every function whatever of the input, with values in (0, 1), there are fields, for each input, such that the
    marginals of the graph with these fields and without an edge are its values. *)
Theorem any_function_is_beliefs_without_an_edge : forall (Input : Type) (f : Input -> nat -> R),
  (forall x v, 0 < f x v < 1) ->
  exists field : Input -> nat -> R, forall x n v, (v < n)%nat -> edgeless_marginal (field x) n v = f x v.
Proof.
  intros Input f H. exists (fun x v => ln (f x v / (1 - f x v))). intros x n v Hv.
  rewrite edgeless_marginal_is_own by assumption. pose proof (H x v).
  unfold sigmoid. rewrite exp_Ropp, exp_ln by (apply Rdiv_lt_0_compat; lra). field. lra.
Qed.
