(** Two stored axioms contradict each other. (ledger: inconsistent-axioms)

    In the companion repository transformer-bp-lean (Attention.lean, commit 07f28fdf) queries and keys are the same
    projection, dimension 1 of the token. One axiom, query_neighbor0_extract, says that it gives the neighbour's index,
    the other, key_neighbor0_extract, that it gives the token's own index. Here is what follows from the two. *)

Section TwoAxioms.

  Variable state : Type.
  Variable neighbour : state -> nat -> nat. (* the first neighbour of a token *)
  Variable extract : state -> nat -> nat. (* what projectDim 1 reads of a token *)

  Hypothesis query_neighbor0_extract : forall s j, extract s j = neighbour s j.
  Hypothesis key_neighbor0_extract : forall s j, extract s j = j.

  (** Every token is its own neighbour. *)
  Theorem every_neighbour_is_itself : forall s j, neighbour s j = j.
  Proof. intros s j. rewrite <- query_neighbor0_extract. apply key_neighbor0_extract. Qed.

  (** So one state in which token 0 has neighbour 1 proves False: the axioms admit no graph with an edge there. *)
  Theorem axioms_prove_false : (exists s, neighbour s 0 = 1) -> False.
  Proof. intros [s H]. rewrite every_neighbour_is_itself in H. discriminate. Qed.

End TwoAxioms.
