(** How many behaviours, how many routing keys? (paper section 9; ledger: behaviours-of-n-states, routing-keys) *)

From mathcomp Require Import all_ssreflect.
Set Implicit Arguments.
Unset Strict Implicit.

(** A machine with n states: each input word acts on the states. The actions that occur are at most n^n. *)
Theorem at_most_n_to_the_n_behaviours (n : nat) (word : finType) (act : word -> {ffun 'I_n -> 'I_n}) :
  #|[set act w | w in word]| <= n ^ n.
Proof. by apply: leq_trans (max_card _) _; rewrite card_ffun !card_ord. Qed.

(** Attained: some machine with n states has exactly n^n (every map of the states is one of its inputs). *)
Theorem n_to_the_n_is_attained (n : nat) :
  exists (word : finType) (act : word -> {ffun 'I_n -> 'I_n}), #|[set act w | w in word]| = n ^ n.
Proof. by exists [finType of {ffun 'I_n -> 'I_n}], id; rewrite card_imset // card_ffun !card_ord. Qed.

(** A key is a node type (variable or factor), the own index and the index of one neighbour: 2 n^2 of them. *)
Theorem routing_keys (n : nat) : #|{: bool * 'I_n * 'I_n}| = 2 * n ^ 2.
Proof. by rewrite !card_prod card_bool !card_ord expnS expn1 mulnA. Qed.

(** With two neighbour slots, as the stored token has, there are 2 n^3. *)
Theorem routing_keys_of_two_slots (n : nat) : #|{: bool * 'I_n * 'I_n * 'I_n}| = 2 * n ^ 3.
Proof. by rewrite !card_prod card_bool !card_ord !expnS expn0 muln1 !mulnA. Qed.
