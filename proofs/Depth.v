(** Eccentricity + 1 layers of the compiled pairwise transformer are exact on a tree. (paper Corollary 7.4; ledger:
    tree-depth)

    Trees.v speaks of rounds, of the height of a tree as seen from its root, and of layers that compute rounds. Here the
    three become one statement about graphs and layers alone: if no vertex of a finite tree is farther than e edges from v,
    then after e + 1 layers, and ever after, the token of v holds the log odds of the marginal of v. Of the e + 1 layers, e
    carry the messages, and one more reads them out, since a layer reads what the layer before has written. *)

Require Import Reals Lra Lia List Arith Permutation.
From Proofs Require Import Pairwise Trees.
Import ListNotations.
Open Scope R_scope.

(** ** The height of a tree, seen from v, is the distance of the farthest vertex *)

Section Distance.

  Variable neighbours : nat -> list nat.

  Lemma at_depth_in : forall d c x, at_depth d c x -> In x (vertices c).
  Proof.
    induction d as [| d IH]; intros [u cs] x H; [now left |].
    destruct H as [k [Hk H]]. right. apply in_flat_map. exists k. split; [assumption | now apply IH].
  Qed.

  Lemma one_branch : forall cs a b x, NoDup (flat_map vertices cs) -> In a cs -> In b cs ->
    In x (vertices a) -> In x (vertices b) -> a = b.
  Proof.
    induction cs as [| k cs IH]; intros a b x N Ha Hb Hxa Hxb; [easy |].
    cbn [flat_map] in N. apply nodup_app in N as [_ [N D]].
    destruct Ha as [-> | Ha], Hb as [-> | Hb]; try reflexivity.
    - exfalso. apply (D x Hxa). apply in_flat_map. eauto.
    - exfalso. apply (D x Hxb). apply in_flat_map. eauto.
    - now apply (IH a b x).
  Qed.

  (** The branches of a tree without repetition are without repetition. *)
  Lemma branch_without_repetition : forall cs k, NoDup (flat_map vertices cs) -> In k cs -> NoDup (vertices k).
  Proof.
    induction cs as [| a cs IH]; intros k N H; [easy |]. cbn [flat_map] in N. apply nodup_app in N as [Na [N _]].
    destruct H as [<- | H]; [assumption | now apply IH].
  Qed.

  Lemma depth_is_unique : forall d c x d', NoDup (vertices c) -> at_depth d c x -> at_depth d' c x -> d = d'.
  Proof.
    induction d as [| d IH]; intros [u cs] x d' N H H'; inversion N as [| ? ? Hu Ncs]; subst.
    - destruct d' as [| d']; [reflexivity | exfalso]. cbn in H. subst x. destruct H' as [k [Hk H']].
      apply Hu. apply in_flat_map. exists k. split; [assumption | now apply at_depth_in in H'].
    - destruct H as [a [Ha H]]. destruct d' as [| d'].
      + exfalso. cbn in H'. subst x. apply Hu. apply in_flat_map. exists a. split; [assumption | now apply at_depth_in in H].
      + destruct H' as [b [Hb H']]. f_equal.
        assert (a = b) as <- by (apply (one_branch cs a b x Ncs Ha Hb); [now apply at_depth_in in H | now apply at_depth_in in H']).
        apply (IH a x); [now apply (branch_without_repetition cs) | assumption | assumption].
  Qed.

  Lemma height_is_attained : forall c, exists x, at_depth (height c) c x.
  Proof.
    induction c as [u cs IH] using tree_induction. cbn [height].
    induction cs as [| k cs IHcs]; [now exists u |]. cbn [fold_right].
    set (rest := fold_right (fun b most => Nat.max (S (height b)) most) O cs) in *.
    destruct (Nat.max_spec (S (height k)) rest) as [[Hlt E] | [Hle E]]; rewrite E.
    - destruct IHcs as [x Hx]; [intros; apply IH; now right |]. exists x.
      destruct rest as [| r]; [lia |]. destruct Hx as [b [Hb Hx]]. exists b. split; [now right | assumption].
    - destruct (IH k (or_introl eq_refl)) as [x Hx]. exists x, k. split; [now left | assumption].
  Qed.

  (** An edge leads at most one step down. *)
  Lemma edge_in_a_branch : forall d c u x k, sees neighbours (but u (neighbours (root c))) c -> at_depth d c x ->
    In k (neighbours x) -> (d = O /\ k = u) \/ exists d', (d' <= S d)%nat /\ at_depth d' c k.
  Proof.
    induction d as [| d IH]; intros [w cs] u x k Hs Hx Hk; inversion Hs as [l0 u0 cs0 Hl Hb El Eu]; subst.
    - cbn in Hx. subst x. destruct (Nat.eq_dec k u) as [-> | Hne]; [now left |]. right. exists 1%nat. split; [lia |].
      assert (I : In k (map root cs)).
      { apply (Permutation_in k Hl). apply filter_In. split; [exact Hk |]. apply Nat.eqb_neq in Hne. now rewrite Hne. }
      apply in_map_iff in I as [b [Hr Hin]]. exists b. split; [assumption |]. now destruct b.
    - destruct Hx as [b [Hin Hx]]. right. destruct (IH b w x k (Hb b Hin) Hx Hk) as [[-> ->] | [d' [Hd Hat]]].
      + exists O. split; [lia | reflexivity].
      + exists (S d'). split; [lia |]. exists b. now split.
  Qed.

  Lemma edge_in_the_tree : forall d c x k, sees neighbours (neighbours (root c)) c -> at_depth d c x ->
    In k (neighbours x) -> exists d', (d' <= S d)%nat /\ at_depth d' c k.
  Proof.
    intros [| d] [w cs] x k Hs Hx Hk; inversion Hs as [l0 u0 cs0 Hl Hb El Eu]; subst.
    - cbn in Hx. subst x. exists 1%nat. split; [lia |].
      pose proof (Permutation_in k Hl Hk) as I. apply in_map_iff in I as [b [Hr Hin]].
      exists b. split; [assumption |]. now destruct b.
    - destruct Hx as [b [Hin Hx]]. destruct (edge_in_a_branch d b w x k (Hb b Hin) Hx Hk) as [[-> ->] | [d' [Hd Hat]]].
      + exists O. split; [lia | reflexivity].
      + exists (S d'). split; [lia |]. exists b. now split.
  Qed.

  Lemma walk_in_the_tree : forall m d c x u, sees neighbours (neighbours (root c)) c -> at_depth d c x ->
    within neighbours m x u -> exists d', (d' <= d + m)%nat /\ at_depth d' c u.
  Proof.
    induction m as [| m IH]; intros d c x u Hs Hx H.
    - cbn in H. subst u. exists d. split; [lia | assumption].
    - destruct H as [-> | [k [Hk H]]]; [exists d; split; [lia | assumption] |].
      destruct (edge_in_the_tree d c x k Hs Hx Hk) as [d1 [Hd1 H1]].
      destruct (IH d1 c k u Hs H1 H) as [d2 [Hd2 H2]]. exists d2. split; [lia | assumption].
  Qed.

  (** If every vertex of a finite tree lies within e edges of its root, the tree is at most e high. *)
  Theorem height_is_at_most_the_eccentricity : forall c e, sees neighbours (neighbours (root c)) c -> NoDup (vertices c) ->
    (forall u, In u (vertices c) -> within neighbours e (root c) u) -> (height c <= e)%nat.
  Proof.
    intros c e Hs N H. destruct (height_is_attained c) as [x Hx].
    destruct (walk_in_the_tree e O c (root c) x Hs) as [d [Hd Hat]].
    - now destruct c.
    - apply H. now apply at_depth_in in Hx.
    - rewrite (depth_is_unique _ c x d N Hx Hat). exact Hd.
  Qed.

End Distance.

(** ** Layers *)

Section Depth.

  Variable neighbours : nat -> list nat.
  Variable table : nat -> nat -> bool -> bool -> R.
  Hypothesis table_positive : forall u w x y, 0 < table u w x y.
  Hypothesis table_symmetric : forall u w x y, table u w x y = table w u y x.
  Variable field : nat -> R.
  Variable start : nat -> nat -> R.
  Hypothesis no_parallel_edges : forall u, NoDup (neighbours u).
  Hypothesis both_ways : forall u w, In w (neighbours u) -> In u (neighbours w).
  Variable K : R. (* larger than every degree *)
  Hypothesis K_is_large : forall u, INR (length (neighbours u)) < K.
  Variable before : nat -> R. (* what the tokens of vertices hold before the first layer: anything *)

  (** What the token of vertex v holds after L layers. Each layer has the sum head read the messages that the edge tokens
      hold BEFORE it, and two units of the FFN overwrite the old belief r: r + (new - r). *)
  Fixpoint held (L v : nat) : R :=
    match L with
    | O => before v
    | S l => let s := sum_head neighbours K v (fun k => layers neighbours table field start K l k v) in
             let r := held l v in
             r + (softplus (field v + s - r) - softplus (- (field v + s - r)))
    end.

  (** A layer later than the messages, the token of v holds the belief of their round. *)
  Theorem one_layer_more_reads_out : forall L v, held (S L) v = belief neighbours table field start L v.
  Proof.
    intros L v. cbn [held]. rewrite softplus_pair.
    rewrite <- (read_out_is_the_belief neighbours table table_positive field start no_parallel_edges both_ways K K_is_large).
    unfold read_out. ring.
  Qed.

  (** THE THEOREM OF THE TREE, in one piece. If no vertex of a finite tree is farther than e edges from v, then after e + 1
      layers, and ever after, the token of v holds the log odds of the marginal of v, whatever the tokens held at first. *)
  Theorem eccentricity_plus_one_layers_are_exact : forall c v e L, sees neighbours (neighbours (root c)) c ->
    NoDup (vertices c) -> In v (vertices c) -> (forall u, In u (vertices c) -> within neighbours e v u) ->
    (e + 1 <= L)%nat -> sigmoid (held L v) = marginal table field c v.
  Proof.
    intros c v e L Hs N Hv He HL. destruct L as [| L]; [lia |]. rewrite one_layer_more_reads_out.
    destruct (every_vertex_has_a_depth c v Hv) as [n Hn].
    destruct (hung_by_any_vertex neighbours table field table_symmetric both_ways no_parallel_edges n c v Hn Hs)
      as [c' [<- [Hs' [Hp Hw]]]].
    pose proof (Permutation_NoDup Hp N) as N'.
    rewrite (exact_on_trees neighbours table table_positive field start c'); [| assumption | assumption |].
    - now apply same_marginals.
    - assert (height c' <= e)%nat; [| lia]. apply (height_is_at_most_the_eccentricity neighbours c' e Hs' N').
      intros u Hu. apply He. apply (Permutation_in u (Permutation_sym Hp) Hu).
  Qed.

End Depth.

(** ** It speaks of something: on the path 0 - 1 - 2 the middle has eccentricity 1, an end 2 *)

(** Two layers suffice for the middle of a path of three vertices, three for its ends. *)
Theorem eccentricities_on_the_path_of_three :
  (forall u, In u (vertices (Node 1 [Node 0 []; Node 2 []])) -> within path 1 1 u)
  /\ (forall u, In u (vertices (Node 1 [Node 0 []; Node 2 []])) -> within path 2 0 u)
  /\ ~ within path 1 0 2.
Proof.
  assert (step : forall m v k u, In k (path v) -> within path m k u -> within path (S m) v u) by (intros; right; eauto).
  assert (here : forall m v, within path m v v) by (intros [| m] v; [reflexivity | now left]).
  split; [| split].
  - intros u [<- | [<- | [<- | []]]]; [apply here | |]; (eapply step; [| apply here]; cbn; tauto).
  - intros u [<- | [<- | [<- | []]]]; [| apply here |].
    + eapply step; [| apply here]. now left.
    + apply step with 1%nat; [now left |]. eapply step; [| apply here]. cbn. tauto.
  - cbn. intros [H | [k [[<- | []] H]]]; discriminate.
Qed.
