(** The factors of an attention matrix are free up to an invertible matrix, and no freer. (ledger: attention-weights-forced)

    Over any field. W_Q and W_K have d rows and k <= d columns of full rank; A = W_Q W_K^T. *)

From mathcomp Require Import all_ssreflect all_algebra.
Set Implicit Arguments.
Unset Strict Implicit.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Gauge.

Variables (F : fieldType) (d k : nat).
Implicit Types (Q K : 'M[F]_(d, k)) (G : 'M[F]_k).

(** Any invertible G may be pushed through: the attention is the same. *)
Theorem an_invertible_matrix_changes_nothing Q K G :
  G \in unitmx -> (Q *m G) *m (K *m (invmx G)^T)^T = Q *m K^T.
Proof. by move=> unitG; rewrite trmx_mul trmxK mulmxA mulmxK. Qed.

(** Conversely, two factorisations of full rank differ by an invertible matrix only. *)
Theorem full_rank_factors_differ_by_an_invertible_matrix Q K Q' K' :
  row_full Q -> row_full Q' -> row_full K -> row_full K' -> Q *m K^T = Q' *m K'^T ->
  exists2 G, G \in unitmx & Q = Q' *m G /\ K' ^T = G *m K^T.
Proof.
move=> fullQ fullQ' fullK fullK' same.
have freeK : row_free K^T by rewrite /row_free mxrank_tr.
have [G defQ] : exists G, Q = Q' *m G.
  by exists (K'^T *m pinvmx K^T); rewrite mulmxA -same -mulmxA mulmxVp // mulmx1.
have cancelQ' : pinvmx Q' *m Q' = 1%:M by exact: mulVpmx.
exists G.
  rewrite -row_full_unit /row_full eqn_leq rank_leq_col /=.
  have /eqP rankQ : \rank Q == k by [].
  by rewrite -[X in (X <= _)%N]rankQ defQ mxrankM_maxr.
split=> //.
have : Q' *m K'^T = Q' *m (G *m K^T) by rewrite mulmxA -defQ.
by move/(congr1 (mulmx (pinvmx Q'))); rewrite !mulmxA cancelQ' !mul1mx.
Qed.

End Gauge.
