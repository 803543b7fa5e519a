(** Exact on trees, and local everywhere. (paper Corollary 7.4; ledger: tree-depth, compiled-round, locality)

    Belief propagation floods a graph of bits with pairwise tables. Seen from a vertex v whose graph is a finite tree, the
    belief at v IS the marginal, from the round on that equals the distance of the farthest vertex; before that, what lies
    farther away cannot matter, on any graph. And the layers of the compiled pairwise transformer compute those rounds.

    The marginal is the honest one: sum over all assignments of the product of all fields and tables. *)

Require Import Reals Lra Lia List Arith Bool Permutation.
From Proofs Require Import Pairwise.
Import ListNotations.
Open Scope R_scope.

(** Sums and products over lists. *)
Definition sum_of {A} (f : A -> R) (l : list A) : R := fold_right (fun a rest => f a + rest) 0 l.
Definition product_of {A} (f : A -> R) (l : list A) : R := fold_right (fun a rest => f a * rest) 1 l.

Lemma product_app : forall A (f : A -> R) l k, product_of f (l ++ k) = product_of f l * product_of f k.
Proof. induction l as [| a l IH]; intros; simpl; [ring | rewrite IH; ring]. Qed.

Lemma product_flat_map : forall A B (f : A -> R) (g : B -> list A) l,
  product_of f (flat_map g l) = product_of (fun b => product_of f (g b)) l.
Proof. induction l as [| b l IH]; simpl; [reflexivity | rewrite product_app, IH; reflexivity]. Qed.

Lemma product_map : forall A B (f : A -> R) (g : B -> A) l, product_of f (map g l) = product_of (fun b => f (g b)) l.
Proof. induction l as [| b l IH]; simpl; [reflexivity | now rewrite IH]. Qed.

Lemma product_times : forall A (f g : A -> R) l, product_of (fun a => f a * g a) l = product_of f l * product_of g l.
Proof. induction l as [| a l IH]; simpl; [ring | rewrite IH; ring]. Qed.

Lemma sum_of_permutation : forall A (f : A -> R) l k, Permutation l k -> sum_of f l = sum_of f k.
Proof. intros A f l k H. induction H; simpl; [reflexivity | now rewrite IHPermutation | ring | congruence]. Qed.

Lemma sum_of_scaled : forall A c (f : A -> R) l, sum_of (fun a => c * f a) l = c * sum_of f l.
Proof. induction l as [| a l IH]; simpl; [ring | rewrite IH; ring]. Qed.

Lemma product_positive : forall A (f : A -> R) l, (forall a, In a l -> 0 < f a) -> 0 < product_of f l.
Proof.
  induction l as [| a l IH]; intro H; simpl; [lra |].
  apply Rmult_lt_0_compat; [apply H; now left | apply IH; intros; apply H; now right].
Qed.

Lemma sum_of_ext : forall A (f g : A -> R) l, (forall a, In a l -> f a = g a) -> sum_of f l = sum_of g l.
Proof.
  induction l as [| a l IH]; intro H; simpl; [reflexivity |].
  rewrite (H a) by now left. rewrite IH; [reflexivity | intros; apply H; now right].
Qed.

(** The other neighbours: all but w. *)
Definition but (w : nat) (l : list nat) : list nat := filter (fun k => negb (Nat.eqb k w)) l.

Lemma but_absent : forall w l, ~ In w l -> but w l = l.
Proof.
  induction l as [| j l IH]; intro H; [reflexivity |]. cbn [but filter].
  destruct (Nat.eqb j w) eqn:E; [apply Nat.eqb_eq in E; subst; exfalso; apply H; now left |].
  cbn [negb]. fold (but w l). f_equal. apply IH. intro I. apply H. now right.
Qed.

Lemma nodup_app : forall (l k : list nat), NoDup (l ++ k) -> NoDup l /\ NoDup k /\ forall v, In v l -> ~ In v k.
Proof.
  induction l as [| a l IH]; intros k H; simpl in *; [repeat split; [constructor | assumption | tauto] |].
  inversion H as [| ? ? Ha Hl]; subst. destruct (IH k Hl) as [N [M D]]. repeat split.
  - constructor; [intro I; apply Ha; apply in_or_app; now left | assumption].
  - assumption.
  - intros v [<- | Hv]; [intro I; apply Ha; apply in_or_app; now right | now apply D].
Qed.

Section Graph.

  Variable neighbours : nat -> list nat.
  Variable table : nat -> nat -> bool -> bool -> R. (* table u w x y: the edge u - w, u in state x, w in state y *)
  Hypothesis table_positive : forall u w x y, 0 < table u w x y.
  Variable field : nat -> R. (* log odds that vertex u gets from its own factors and evidence *)
  Variable start : nat -> nat -> R. (* the messages of round 0: any numbers *)

  (** ** Flooding *)

  Definition through (u w : nat) (x : R) : R :=
    sum_message (table u w false false) (table u w false true) (table u w true false) (table u w true true) x.

  Fixpoint message (t u w : nat) : R :=
    match t with
    | O => start u w
    | S s => through u w (field u + sum_of (fun k => message s k u) (but w (neighbours u)))
    end.

  Definition belief (t v : nat) : R := field v + sum_of (fun k => message t k v) (neighbours v).

  (** ** The marginal, by enumeration over the vertices of a tree *)

  Inductive tree : Type := Node : nat -> list tree -> tree.

  Definition root (c : tree) : nat := match c with Node u _ => u end.
  Fixpoint vertices (c : tree) : list nat := match c with Node u cs => u :: flat_map vertices cs end.
  Fixpoint edges (c : tree) : list (nat * nat) :=
    match c with Node u cs => map (fun b => (root b, u)) cs ++ flat_map edges cs end.
  Fixpoint height (c : tree) : nat :=
    match c with Node _ cs => fold_right (fun b most => Nat.max (S (height b)) most) O cs end.

  Fixpoint tree_induction (P : tree -> Prop) (step : forall u cs, (forall c, In c cs -> P c) -> P (Node u cs))
      (c : tree) : P c :=
    match c with
    | Node u cs => step u cs
        ((fix all (l : list tree) : forall b, In b l -> P b :=
            match l with
            | [] => fun b (absurd : In b []) => match absurd with end
            | a :: rest => fun b H =>
                match H with
                | or_introl e => eq_ind a P (tree_induction P step a) b e
                | or_intror r => all rest b r
                end
            end) cs)
    end.

  Definition assignment := nat -> bool.
  Definition set (x : assignment) (v : nat) (b : bool) : assignment := fun u => if Nat.eqb u v then b else x u.

  (** Sum over all states of the vertices in l; the other vertices stay as x says. *)
  Fixpoint total (l : list nat) (f : assignment -> R) (x : assignment) : R :=
    match l with
    | [] => f x
    | v :: rest => total rest f (set x v false) + total rest f (set x v true)
    end.

  Definition own (x : assignment) (u : nat) : R := if x u then exp (field u) else 1.
  Definition factor (x : assignment) (e : nat * nat) : R := table (fst e) (snd e) (x (fst e)) (x (snd e)).

  (** The joint: product over all vertices and edges. *)
  Definition weight (c : tree) (x : assignment) : R := product_of (own x) (vertices c) * product_of (factor x) (edges c).

  Definition nowhere : assignment := fun _ => false. (* overwritten at every vertex *)

  (** The probability that v is in state true. *)
  Definition marginal (c : tree) (v : nat) : R :=
    total (vertices c) (fun x => if x v then weight c x else 0) nowhere / total (vertices c) (weight c) nowhere.

  (** *** Sums over assignments *)

  Definition local (S : nat -> Prop) (f : assignment -> R) : Prop :=
    forall x y, (forall v, S v -> x v = y v) -> f x = f y.

  Lemma set_same : forall x v b, set x v b v = b.
  Proof. intros. unfold set. now rewrite Nat.eqb_refl. Qed.

  Lemma set_other : forall x v b u, u <> v -> set x v b u = x u.
  Proof. intros. unfold set. apply Nat.eqb_neq in H. now rewrite H. Qed.

  Lemma total_ext : forall l f g x, (forall y, f y = g y) -> total l f x = total l g x.
  Proof. induction l as [| v l IH]; intros; simpl; [apply H |]. now rewrite !(IH f g). Qed.

  Lemma total_app : forall l k f x, total (l ++ k) f x = total l (total k f) x.
  Proof. induction l as [| v l IH]; intros; simpl; [reflexivity |]. now rewrite !IH. Qed.

  (** A sum over l depends only on what lies outside l. *)
  Lemma total_local : forall l S f, local S f -> forall x y, (forall v, S v -> In v l \/ x v = y v) ->
    total l f x = total l f y.
  Proof.
    induction l as [| v l IH]; intros S f Hf x y H; simpl.
    - apply Hf. intros u Hu. destruct (H u Hu) as [[] | E]; exact E.
    - f_equal; apply (IH S f Hf); intros u Hu; destruct (Nat.eq_dec u v) as [-> | Hne].
      all: try (right; now rewrite !set_same).
      all: destruct (H u Hu) as [[-> | I] | E]; [congruence | now left | right; now rewrite !set_other].
  Qed.

  Lemma total_constant : forall l S g f, local S g -> (forall v, S v -> ~ In v l) -> forall x,
    total l (fun y => g y * f y) x = g x * total l f x.
  Proof.
    induction l as [| v l IH]; intros S g f Hg D x; simpl; [reflexivity |].
    assert (E : forall b, g (set x v b) = g x).
    { intro b. apply Hg. intros u Hu. apply set_other. intros ->. apply (D v Hu). now left. }
    rewrite !(IH S g f Hg) by (intros u Hu I; apply (D u Hu); now right). rewrite !E. ring.
  Qed.

  (** Two parts that share no summed vertex: the sum of the product is the product of the sums. *)
  Lemma total_times : forall l k S S' g h, local S g -> local S' h ->
    (forall v, S v -> ~ In v k) -> (forall v, S' v -> ~ In v l) -> forall x,
    total (l ++ k) (fun y => g y * h y) x = total l g x * total k h x.
  Proof.
    intros l k S S' g h Hg Hh Dg Dh x. rewrite total_app.
    rewrite (total_ext l _ (fun y => total k h y * g y)).
    - rewrite (total_constant l S' (total k h) g).
      + ring.
      + intros y z H. apply (total_local k S' h Hh). intros v Hv. right. now apply H.
      + exact Dh.
    - intro y. rewrite (total_constant k S g h Hg Dg). ring.
  Qed.

  (** *** The sum over a tree, branch by branch *)

  (** Mass of all assignments below, given the state b of the root. *)
  Fixpoint mass (c : tree) (b : bool) : R :=
    match c with
    | Node u cs => (if b then exp (field u) else 1)
        * product_of (fun k => table (root k) u false b * mass k false + table (root k) u true b * mass k true) cs
    end.

  Definition branch (w : nat) (c : tree) (b : bool) : R := (* also over the root of c, given the state b of its parent w *)
    table (root c) w false b * mass c false + table (root c) w true b * mass c true.

  Lemma mass_node : forall u cs b, mass (Node u cs) b = (if b then exp (field u) else 1) * product_of (fun k => branch u k b) cs.
  Proof. reflexivity. Qed.

  Lemma mass_positive : forall c b, 0 < mass c b.
  Proof.
    induction c as [u cs IH] using tree_induction. intro b. rewrite mass_node. apply Rmult_lt_0_compat.
    - destruct b; [apply exp_pos | lra].
    - apply product_positive. intros k Hk. unfold branch.
      pose proof (IH k Hk false). pose proof (IH k Hk true).
      pose proof (table_positive (root k) u false b). pose proof (table_positive (root k) u true b).
      apply Rplus_lt_0_compat; now apply Rmult_lt_0_compat.
  Qed.

  Lemma branch_positive : forall w c b, 0 < branch w c b.
  Proof.
    intros. unfold branch. pose proof (mass_positive c false). pose proof (mass_positive c true).
    pose proof (table_positive (root c) w false b). pose proof (table_positive (root c) w true b).
    apply Rplus_lt_0_compat; now apply Rmult_lt_0_compat.
  Qed.

  Lemma vertices_root : forall c, vertices c = root c :: tl (vertices c).
  Proof. destruct c; reflexivity. Qed.

  Lemma product_own_local : forall l, local (fun v => In v l) (fun x => product_of (own x) l).
  Proof.
    induction l as [| v l IH]; intros x y H; simpl; [reflexivity |].
    rewrite (IH x y) by (intros; apply H; now right). unfold own. now rewrite (H v) by now left.
  Qed.

  Lemma edges_join_vertices : forall c e, In e (edges c) -> In (fst e) (vertices c) /\ In (snd e) (vertices c).
  Proof.
    induction c as [u cs IH] using tree_induction. intros e H. simpl in H. apply in_app_or in H as [H | H].
    - apply in_map_iff in H as [k [<- Hk]]. simpl. split; [right | now left].
      apply in_flat_map. exists k. split; [assumption |]. rewrite vertices_root. now left.
    - apply in_flat_map in H as [k [Hk He]]. destruct (IH k Hk e He). simpl. split; right; apply in_flat_map; eauto.
  Qed.

  Lemma weight_local : forall c, local (fun v => In v (vertices c)) (weight c).
  Proof.
    intros c x y H. unfold weight. f_equal; [now apply product_own_local |].
    pose proof (edges_join_vertices c) as J. induction (edges c) as [| e l IH]; simpl; [reflexivity |].
    rewrite IH by (intros; apply J; now right).
    destruct (J e) as [J1 J2]; [now left |]. unfold factor. now rewrite (H _ J1), (H _ J2).
  Qed.

  (** The joint of a tree: its root, and for each branch one edge and the joint of the branch. *)
  Definition joined (u : nat) (x : assignment) (k : tree) : R := table (root k) u (x (root k)) (x u) * weight k x.

  Lemma weight_node : forall u cs x, weight (Node u cs) x = own x u * product_of (joined u x) cs.
  Proof.
    intros. unfold joined, weight. cbn [vertices edges].
    rewrite !product_times, product_app, product_map, product_flat_map.
    change (product_of (own x) (u :: flat_map vertices cs)) with (own x u * product_of (own x) (flat_map vertices cs)).
    rewrite product_flat_map. unfold factor. cbn [fst snd]. ring.
  Qed.

  Lemma joined_local : forall u k, local (fun v => v = u \/ In v (vertices k)) (fun x => joined u x k).
  Proof.
    intros u k x y H. unfold joined. rewrite (H u) by now left.
    rewrite (H (root k)) by (right; rewrite vertices_root; now left).
    f_equal. apply weight_local. intros v Hv. apply H. now right.
  Qed.

  Lemma joined_all_local : forall u cs,
    local (fun v => v = u \/ In v (flat_map vertices cs)) (fun x => product_of (joined u x) cs).
  Proof.
    induction cs as [| k cs IH]; intros x y H; simpl; [reflexivity |].
    rewrite (joined_local u k x y), (IH x y); [reflexivity | |]; intros v [-> | Hv]; apply H.
    - now left.
    - right. simpl. apply in_or_app. now right.
    - now left.
    - right. simpl. apply in_or_app. now left.
  Qed.

  (** Enumeration equals the recursion over branches. *)
  Theorem enumeration_factorises : forall c x, NoDup (vertices c) -> total (tl (vertices c)) (weight c) x = mass c (x (root c)).
  Proof.
    induction c as [u cs IH] using tree_induction. intros x N. cbn [vertices tl root] in *.
    inversion N as [| ? ? Hu Ncs]; subst.
    rewrite (total_ext _ _ (fun y => own y u * product_of (joined u y) cs)) by (intro; apply weight_node).
    rewrite (total_constant _ (fun v => v = u) (fun y => own y u)).
    2: { intros y z H. unfold own. now rewrite (H u eq_refl). }
    2: { intros v ->. exact Hu. }
    rewrite mass_node. f_equal. clear N.
    induction cs as [| k cs IHcs]; [reflexivity |]. cbn [flat_map] in *.
    apply nodup_app in Ncs as [Nk [Ncs D]].
    rewrite (total_times (vertices k) (flat_map vertices cs) (fun v => v = u \/ In v (vertices k))
      (fun v => v = u \/ In v (flat_map vertices cs)) (fun y => joined u y k) (fun y => product_of (joined u y) cs)).
    - cbn [product_of fold_right]. change (fold_right (fun a rest => branch u a (x u) * rest) 1 cs)
        with (product_of (fun a => branch u a (x u)) cs).
      rewrite IHcs; [f_equal | | |].
      + assert (uk : u <> root k).
        { intros ->. apply Hu. apply in_or_app. left. rewrite vertices_root. now left. }
        pose proof Nk as Nk'. rewrite vertices_root in Nk'. inversion Nk' as [| ? ? Hr _]; subst.
        rewrite vertices_root. cbn [total]. unfold joined.
        assert (one : forall b, total (tl (vertices k)) (fun y => table (root k) u (y (root k)) (y u) * weight k y)
            (set x (root k) b) = table (root k) u b (x u) * mass k b).
        { intro b. rewrite (total_constant _ (fun v => v = u \/ v = root k) (fun y => table (root k) u (y (root k)) (y u))).
          - rewrite (IH k (or_introl eq_refl) _ Nk), set_same, set_other by assumption. reflexivity.
          - intros y z H. now rewrite (H u), (H (root k)) by auto.
          - intros v [-> | ->]; [| exact Hr]. intro I. apply Hu. apply in_or_app. left. rewrite vertices_root. now right. }
        rewrite !one. reflexivity.
      + intros c Hc. apply IH. now right.
      + intro I. apply Hu. apply in_or_app. now right.
      + assumption.
    - apply joined_local.
    - apply joined_all_local.
    - intros v [-> | Hv]; [intro I; apply Hu; apply in_or_app; now right | now apply D].
    - intros v [-> | Hv]; [intro I; apply Hu; apply in_or_app; now left | intro I; now apply (D v)].
  Qed.

  (** The marginal by enumeration is the mass of the root's state true over the mass of both. *)
  Theorem marginal_is_a_ratio_of_masses : forall c, NoDup (vertices c) ->
    marginal c (root c) = mass c true / (mass c false + mass c true).
  Proof.
    intros c N. unfold marginal. rewrite vertices_root. cbn [total].
    pose proof N as N'. rewrite vertices_root in N'. inversion N' as [| ? ? Hr _]; subst.
    rewrite !enumeration_factorises, !set_same by assumption.
    assert (R1 : forall b, total (tl (vertices c)) (fun x => if x (root c) then weight c x else 0) (set nowhere (root c) b)
        = (if b then 1 else 0) * mass c b).
    { intro b. rewrite (total_ext _ _ (fun y => (if y (root c) then 1 else 0) * weight c y))
        by (intro y; destruct (y (root c)); ring).
      rewrite (total_constant _ (fun v => v = root c) (fun y => if y (root c) then 1 else 0)).
      - now rewrite enumeration_factorises, !set_same by assumption.
      - intros y z H. now rewrite (H (root c) eq_refl).
      - intros v ->. exact Hr. }
    rewrite !R1. f_equal. ring.
  Qed.

  (** ** Where the graph is a tree *)

  (** c is the graph as seen from its root: l are the neighbours still to visit, and each branch is what its own root
      sees when it does not look back. On a finite tree this is the tree, hung up by that vertex. *)
  Inductive sees : list nat -> tree -> Prop :=
  | looks : forall l u cs, Permutation l (map root cs) ->
      (forall k, In k cs -> sees (but u (neighbours (root k))) k) -> sees l (Node u cs).

  Lemma height_of_branch : forall u cs k, In k cs -> (S (height k) <= height (Node u cs))%nat.
  Proof.
    intros u cs k. cbn [height]. induction cs as [| a cs IH]; [intros [] | intros [-> | H]]; cbn [fold_right].
    - apply Nat.le_max_l.
    - specialize (IH H). lia.
  Qed.

  (** What arrives at u, once every branch below has spoken, is the log odds of the masses of the branches. *)
  Lemma arriving : forall t u cs, (forall k, In k cs -> message t (root k) u = ln (branch u k true / branch u k false)) ->
    field u + sum_of (fun k => message t k u) (map root cs) = ln (mass (Node u cs) true / mass (Node u cs) false).
  Proof.
    intros t u cs H. rewrite !mass_node.
    assert (E : sum_of (fun k => message t k u) (map root cs)
        = ln (product_of (fun k => branch u k true) cs / product_of (fun k => branch u k false) cs)).
    { induction cs as [| k cs IH]; cbn [map sum_of product_of fold_right].
      - replace (1 / 1) with 1 by field. now rewrite ln_1.
      - change (fold_right (fun a rest => message t a u + rest) 0 (map root cs))
          with (sum_of (fun a => message t a u) (map root cs)).
        change (fold_right (fun a rest => branch u a true * rest) 1 cs) with (product_of (fun a => branch u a true) cs).
        change (fold_right (fun a rest => branch u a false * rest) 1 cs) with (product_of (fun a => branch u a false) cs).
        rewrite (H k) by now left. rewrite IH by (intros; apply H; now right).
        assert (Pt : 0 < product_of (fun a => branch u a true) cs) by (apply product_positive; intros; apply branch_positive).
        assert (Pf : 0 < product_of (fun a => branch u a false) cs) by (apply product_positive; intros; apply branch_positive).
        pose proof (branch_positive u k true). pose proof (branch_positive u k false).
        rewrite <- ln_mult by (apply Rdiv_lt_0_compat; assumption). f_equal. field. lra. }
    rewrite E.
    assert (Pt : 0 < product_of (fun k => branch u k true) cs) by (apply product_positive; intros; apply branch_positive).
    assert (Pf : 0 < product_of (fun k => branch u k false) cs) by (apply product_positive; intros; apply branch_positive).
    rewrite <- (ln_exp (field u)) at 1. rewrite <- ln_mult; [f_equal; field; lra | apply exp_pos |].
    now apply Rdiv_lt_0_compat.
  Qed.

  (** A message is exact one round after the last of those behind it, whatever the first round held. *)
  Theorem messages_become_exact : forall c t w, sees (but w (neighbours (root c))) c -> (S (height c) <= t)%nat ->
    message t (root c) w = ln (branch w c true / branch w c false).
  Proof.
    induction c as [u cs IH] using tree_induction. intros t w Hs Ht. destruct t as [| t]; [lia |].
    cbn [message root] in *. inversion Hs as [l0 u0 cs0 Hl Hk El Eu]; subst.
    rewrite (sum_of_permutation _ _ _ _ Hl).
    rewrite (arriving t u cs).
    - unfold through, sum_message, branch. cbn [root].
      pose proof (mass_positive (Node u cs) true) as Mt. pose proof (mass_positive (Node u cs) false) as Mf.
      rewrite exp_ln by now apply Rdiv_lt_0_compat. f_equal.
      pose proof (table_positive u w false false). pose proof (table_positive u w true false).
      pose proof (Rmult_lt_0_compat _ _ H Mf). pose proof (Rmult_lt_0_compat _ _ H0 Mt).
      field. lra.
    - intros k Hin. apply (IH k Hin); [now apply Hk |].
      pose proof (height_of_branch u cs k Hin). lia.
  Qed.

  (** THE THEOREM. If the graph seen from v is a finite tree c, then after as many rounds as the farthest vertex is away,
      and ever after, the belief at v is the marginal of v. *)
  Theorem exact_on_trees : forall c t, sees (neighbours (root c)) c -> NoDup (vertices c) -> (height c <= t)%nat ->
    sigmoid (belief t (root c)) = marginal c (root c).
  Proof.
    intros c t Hs N Ht. rewrite marginal_is_a_ratio_of_masses by assumption. unfold belief.
    destruct c as [v cs]. cbn [root] in *. inversion Hs as [l0 u0 cs0 Hl Hk El Eu]; subst.
    rewrite (sum_of_permutation _ _ _ _ Hl).
    rewrite (arriving t v cs).
    - unfold sigmoid. pose proof (mass_positive (Node v cs) true) as Mt. pose proof (mass_positive (Node v cs) false) as Mf.
      rewrite exp_Ropp, exp_ln by now apply Rdiv_lt_0_compat. field. lra.
    - intros k Hin. apply messages_become_exact; [now apply Hk |]. pose proof (height_of_branch v cs k Hin). lia.
  Qed.

  (** ** Hung up by another vertex *)

  Hypothesis table_symmetric : forall u w x y, table u w x y = table w u y x.
  Hypothesis both_ways : forall u w, In w (neighbours u) -> In u (neighbours w).
  Hypothesis no_parallel_edges : forall u, NoDup (neighbours u).

  Lemma but_and_back : forall l w, NoDup l -> In w l -> Permutation l (w :: but w l).
  Proof.
    induction l as [| k l IH]; intros w N H; [easy |]. inversion N as [| ? ? Hk Nl]; subst.
    cbn [but filter]. destruct (Nat.eqb k w) eqn:E; cbn [negb]; fold (but w l).
    - apply Nat.eqb_eq in E. subst k. constructor.
      now rewrite (but_absent w l Hk).
    - destruct H as [-> | H]; [now rewrite Nat.eqb_refl in E |].
      eapply perm_trans; [apply perm_skip, (IH w Nl H) | apply perm_swap].
  Qed.

  (** The branch (w, ws) becomes the root, and the old root its branch. *)
  Lemma rotated_sees : forall u pre w ws post,
    sees (neighbours u) (Node u (pre ++ Node w ws :: post)) -> sees (neighbours w) (Node w (Node u (pre ++ post) :: ws)).
  Proof.
    intros u pre w ws post H. inversion H as [l0 u0 cs0 Hl Hk El Eu]; subst.
    assert (Hw : sees (but u (neighbours w)) (Node w ws)) by (apply (Hk (Node w ws)); apply in_or_app; right; now left).
    inversion Hw as [l1 u1 cs1 Hl1 Hk1 El1 Eu1]; subst.
    assert (Hm : Permutation (neighbours u) (w :: map root (pre ++ post))).
    { eapply perm_trans; [exact Hl |]. rewrite !map_app. cbn [map root]. apply Permutation_sym, Permutation_middle. }
    assert (wu : In w (neighbours u)) by (apply (Permutation_in w (Permutation_sym Hm)); now left).
    constructor.
    - cbn [map root]. eapply perm_trans; [apply (but_and_back _ u (no_parallel_edges w)); now apply both_ways |].
      now apply perm_skip.
    - intros k [<- | Hin].
      + cbn [root]. constructor.
        * apply Permutation_cons_inv with w. eapply perm_trans; [| exact Hm].
          apply Permutation_sym, but_and_back; [apply no_parallel_edges | assumption].
        * intros k Hin. apply Hk. apply in_app_or in Hin as [Hin | Hin]; apply in_or_app; [now left | right; now right].
      + now apply Hk1.
  Qed.

  Lemma rotated_vertices : forall u pre w ws post,
    Permutation (vertices (Node u (pre ++ Node w ws :: post))) (vertices (Node w (Node u (pre ++ post) :: ws))).
  Proof.
    intros. cbn [vertices flat_map]. rewrite !flat_map_app. cbn [flat_map vertices].
    set (P := flat_map vertices pre). set (W := flat_map vertices ws). set (Q := flat_map vertices post).
    change (w :: (u :: P ++ Q) ++ W) with ([w; u] ++ (P ++ Q) ++ W).
    change (u :: P ++ (w :: W) ++ Q) with ([u] ++ P ++ [w] ++ W ++ Q).
    eapply perm_trans; [apply Permutation_app_head, Permutation_app_swap_app |].
    rewrite app_assoc. eapply perm_trans; [| apply Permutation_app_tail, perm_swap].
    cbn [app]. do 2 apply perm_skip. rewrite <- app_assoc. apply Permutation_app_head, Permutation_app_comm.
  Qed.

  Lemma rotated_weight : forall u pre w ws post x,
    weight (Node u (pre ++ Node w ws :: post)) x = weight (Node w (Node u (pre ++ post) :: ws)) x.
  Proof.
    intros. rewrite !weight_node. rewrite !product_app. cbn [product_of fold_right].
    fold (product_of (joined u x) post). fold (product_of (joined w x) ws).
    unfold joined at 2 4. cbn [root]. rewrite !weight_node, product_app, (table_symmetric w u). ring.
  Qed.

  Lemma total_permutation : forall S f, local S f -> forall l k, Permutation l k -> forall x, total l f x = total k f x.
  Proof.
    intros S f Hf l k H. induction H; intro x0; cbn [total]; [reflexivity | now rewrite !IHPermutation | | congruence].
    assert (E : forall a b, total l f (set (set x0 y a) x b) = total l f (set (set x0 x b) y a) \/ x = y).
    { intros a b. destruct (Nat.eq_dec x y) as [e | e]; [now right | left].
      apply (total_local l S f Hf). intros v _. right. unfold set.
      destruct (Nat.eqb v x) eqn:Ex, (Nat.eqb v y) eqn:Ey; try reflexivity.
      apply Nat.eqb_eq in Ex, Ey. congruence. }
    destruct (E false false) as [E1 | ->]; [| reflexivity]. destruct (E false true) as [E2 | ->]; [| reflexivity].
    destruct (E true false) as [E3 | ->]; [| reflexivity]. destruct (E true true) as [E4 | ->]; [| reflexivity].
    rewrite E1, E2, E3, E4. ring.
  Qed.

  Fixpoint at_depth (n : nat) (c : tree) (v : nat) : Prop :=
    match n with O => root c = v | S m => match c with Node _ cs => exists k, In k cs /\ at_depth m k v end end.

  Lemma every_vertex_has_a_depth : forall c v, In v (vertices c) -> exists n, at_depth n c v.
  Proof.
    induction c as [u cs IH] using tree_induction. intros v [<- | H]; [now exists O |].
    apply in_flat_map in H as [k [Hk Hv]]. destruct (IH k Hk v Hv) as [n Hn]. exists (S n), k. now split.
  Qed.

  (** A finite tree may be hung up by any of its vertices: same graph, same vertices, same joint. *)
  Theorem hung_by_any_vertex : forall n c v, at_depth n c v -> sees (neighbours (root c)) c ->
    exists c', root c' = v /\ sees (neighbours v) c' /\ Permutation (vertices c) (vertices c')
      /\ forall x, weight c x = weight c' x.
  Proof.
    induction n as [| n IH]; intros [u cs] v Hv Hs.
    - cbn [at_depth root] in Hv. subst v. exists (Node u cs).
      split; [reflexivity |]. split; [assumption |]. split; [apply Permutation_refl | reflexivity].
    - destruct Hv as [[w ws] [Hin Hv]]. apply in_split in Hin as [pre [post ->]]. cbn [root] in Hs.
      destruct (IH (Node w (Node u (pre ++ post) :: ws)) v) as [c' [Hr [Hc' [Hp Hw]]]].
      + destruct n as [| n]; [exact Hv |]. destruct Hv as [k [Hk Hv]]. exists k. split; [now right | assumption].
      + cbn [root]. now apply rotated_sees.
      + exists c'. split; [assumption |]. split; [assumption |]. split.
        * eapply perm_trans; [apply rotated_vertices | exact Hp].
        * intro x. now rewrite rotated_weight.
  Qed.

  Lemma height_below_size : forall c, (S (height c) <= length (vertices c))%nat.
  Proof.
    induction c as [u cs IH] using tree_induction. cbn [vertices length height]. apply le_n_S.
    induction cs as [| k cs IHcs]; cbn [fold_right flat_map]; [lia |].
    rewrite app_length. pose proof (IH k (or_introl eq_refl)).
    assert (E : (fold_right (fun b most => Nat.max (S (height b)) most) O cs <= length (flat_map vertices cs))%nat).
    { apply IHcs. intros c Hc. apply IH. now right. }
    apply Nat.max_lub; lia.
  Qed.

  (** Hanging a tree up by another vertex changes no marginal. *)
  Lemma same_marginals : forall c c' v, Permutation (vertices c) (vertices c') ->
    (forall x, weight c x = weight c' x) -> In v (vertices c) -> marginal c' v = marginal c v.
  Proof.
    intros c c' v Hp Hw Hv.
    assert (L : forall f, local (fun u => In u (vertices c)) f ->
      total (vertices c') f nowhere = total (vertices c) f nowhere).
    { intros f Hf. symmetry. now apply (total_permutation _ f Hf). }
    unfold marginal. rewrite <- (L (weight c)), <- (L (fun x => if x v then weight c x else 0)).
    - f_equal; apply total_ext; intro y; now rewrite Hw.
    - intros y z H. rewrite (H v Hv). now rewrite (weight_local c y z H).
    - apply weight_local.
  Qed.

  (** Hence at EVERY vertex of a finite tree of n vertices: from round n - 1 on the belief is the marginal. (The round
      that suffices is the vertex's own eccentricity: exact_on_trees, for the tree hung up by it; Depth.v.) *)
  Theorem exact_at_every_vertex : forall c v t, sees (neighbours (root c)) c -> NoDup (vertices c) ->
    In v (vertices c) -> (length (vertices c) <= S t)%nat -> sigmoid (belief t v) = marginal c v.
  Proof.
    intros c v t Hs N Hv Ht. destruct (every_vertex_has_a_depth c v Hv) as [n Hn].
    destruct (hung_by_any_vertex n c v Hn Hs) as [c' [<- [Hs' [Hp Hw]]]].
    rewrite exact_on_trees with (c := c'); [now apply same_marginals | assumption | now apply (Permutation_NoDup Hp) |].
    pose proof (height_below_size c'). rewrite <- (Permutation_length Hp) in H. lia.
  Qed.

End Graph.

(** ** Locality, on any graph: what is farther away than the number of rounds does not matter *)

Section Locality.

  Variable neighbours : nat -> list nat.
  Variable table : nat -> nat -> bool -> bool -> R.
  Variable start : nat -> nat -> R.

  (** u lies within n edges of v. *)
  Fixpoint within (n v u : nat) : Prop :=
    match n with O => u = v | S m => u = v \/ exists k, In k (neighbours v) /\ within m k u end.

  Lemma message_is_local : forall field field' t u w, (forall k, within t u k -> field k = field' k) ->
    message neighbours table field start (S t) u w = message neighbours table field' start (S t) u w.
  Proof.
    intros field field'. induction t as [| t IH]; intros u w H; cbn [message].
    - rewrite (H u); [reflexivity | now left || reflexivity].
    - rewrite (H u) by now left. f_equal. f_equal. apply sum_of_ext. intros k Hk.
      apply filter_In in Hk as [Hk _]. apply IH. intros j Hj. apply H. right. now exists k.
  Qed.

  (** After t rounds the belief at v is the same for any two sets of fields (evidence) that agree within t edges of v. *)
  Theorem evidence_beyond_the_rounds_does_not_matter : forall field field' t v,
    (forall k, within t v k -> field k = field' k) ->
    belief neighbours table field start t v = belief neighbours table field' start t v.
  Proof.
    intros field field' t v H. unfold belief. destruct t as [| t].
    - now rewrite (H v eq_refl).
    - rewrite (H v) by now left. f_equal. apply sum_of_ext. intros k Hk.
      apply message_is_local. intros j Hj. apply H. right. now exists k.
  Qed.

End Locality.

(** ** The layers of the compiled transformer compute the rounds, on any graph *)

Section Layers.

  Variable neighbours : nat -> list nat.
  Variable table : nat -> nat -> bool -> bool -> R.
  Hypothesis table_positive : forall u w x y, 0 < table u w x y.
  Variable field : nat -> R.
  Variable start : nat -> nat -> R.
  Hypothesis no_parallel_edges : forall u, NoDup (neighbours u).
  Hypothesis both_ways : forall u w, In w (neighbours u) -> In u (neighbours w).

  Variable K : R. (* larger than every degree *)
  Hypothesis K_is_large : forall u, INR (length (neighbours u)) < K.

  (** The sum head. A matching key scores 0, the sink ln (K - degree) with value 0; what does not match has weight 0
      (exactly so in float64 once the gap is large: Routing.v gives the gap, docs/proofs.md the rounding). The output is
      scaled by K. *)
  Definition sum_head (u : nat) (value : nat -> R) : R :=
    let degree := INR (length (neighbours u)) in
    K * sum_of (fun k => exp 0 / (degree * exp 0 + exp (ln (K - degree))) * value k) (neighbours u).

  Lemma sum_head_sums : forall u value, sum_head u value = sum_of value (neighbours u).
  Proof.
    intros u value. unfold sum_head. pose proof (K_is_large u) as HK. rewrite exp_0, exp_ln by lra.
    pose proof (pos_INR (length (neighbours u))).
    replace (INR (length (neighbours u)) * 1 + (K - INR (length (neighbours u)))) with K by ring.
    rewrite sum_of_scaled. field. lra.
  Qed.

  Lemma softplus_pair : forall t, softplus t - softplus (- t) = t.
  Proof.
    intro t. unfold softplus. pose proof (exp_pos t). rewrite exp_Ropp.
    replace (1 + / exp t) with ((1 + exp t) * / exp t) by (field; lra).
    rewrite ln_mult, ln_Rinv, ln_exp by (try apply Rinv_0_lt_compat; lra). ring.
  Qed.

  (** One layer on the token of the edge u -> w. Two heads leave s = all messages into u, minus the one from w; four units
      of the FFN overwrite the old message: m + (new - m), with t = softplus t - softplus (-t). *)
  Definition one_layer (stream : nat -> nat -> R) (u w : nat) : R :=
    let s := sum_head u (fun k => stream k u) - stream w u in
    let a := ln (table u w true true) - ln (table u w false true) in
    let c := ln (table u w true false) - ln (table u w false false) in
    let d := ln (table u w false true) - ln (table u w false false) in
    let m := stream u w in
    m + (softplus (field u + s + a) - softplus (field u + s + c)) + (softplus (d - m) - softplus (- (d - m))).

  Fixpoint layers (L : nat) : nat -> nat -> R :=
    match L with O => start | S l => one_layer (layers l) end.

  Lemma without_one : forall (f : nat -> R) l w, NoDup l -> In w l -> sum_of f l - f w = sum_of f (but w l).
  Proof.
    induction l as [| k l IH]; intros w N H; [easy |]. inversion N as [| ? ? Hk Nl]; subst.
    cbn [sum_of fold_right but filter]. change (fold_right (fun a rest => f a + rest) 0 l) with (sum_of f l).
    destruct H as [-> | H].
    - rewrite Nat.eqb_refl. cbn [negb]. fold (but w l).
      rewrite (but_absent w l Hk). unfold sum_of. ring.
    - assert (Nat.eqb k w = false) as -> by (apply Nat.eqb_neq; intros ->; contradiction).
      cbn [negb fold_right]. fold (but w l). change (fold_right (fun a rest => f a + rest) 0 (but w l)) with (sum_of f (but w l)).
      rewrite <- (IH w Nl H). ring.
  Qed.

  (** After L layers every edge token holds the message of round L. *)
  Theorem layers_compute_the_rounds : forall L u w, In w (neighbours u) ->
    layers L u w = message neighbours table field start L u w.
  Proof.
    assert (step : forall stream u w, In w (neighbours u) ->
      one_layer stream u w = through table u w (field u + sum_of (fun k => stream k u) (but w (neighbours u)))).
    { intros stream u w Hw. unfold one_layer, through.
      rewrite <- pairwise_layer_is_sum_product by apply table_positive. unfold layer.
      rewrite sum_head_sums, softplus_pair.
      pose proof (without_one (fun k => stream k u) (neighbours u) w (no_parallel_edges u) Hw) as E. cbv beta in E.
      rewrite E. ring. }
    induction L as [| L IH]; intros u w Hw; [reflexivity |]. cbn [layers message]. rewrite step by assumption.
    f_equal. f_equal. apply sum_of_ext. intros k Hk. apply filter_In in Hk as [Hk _]. apply IH. now apply both_ways.
  Qed.

  (** Read out at v: its field and what a sum head finds. *)
  Definition read_out (L v : nat) : R := field v + sum_head v (fun k => layers L k v).

  (** What is read out after L layers is the belief of round L. *)
  Theorem read_out_is_the_belief : forall L v, read_out L v = belief neighbours table field start L v.
  Proof.
    intros L v. unfold read_out, belief. rewrite sum_head_sums. f_equal. apply sum_of_ext. intros k Hk.
    apply layers_compute_the_rounds. now apply both_ways.
  Qed.

  (** So on a finite tree of n vertices n - 1 layers give the marginal of every vertex, over the reals. *)
  Theorem the_compiled_transformer_is_exact_on_trees : (forall u w x y, table u w x y = table w u y x) ->
    forall c v L, sees neighbours (neighbours (root c)) c -> NoDup (vertices c) -> In v (vertices c) ->
    (length (vertices c) <= S L)%nat -> sigmoid (read_out L v) = marginal table field c v.
  Proof. intros. rewrite read_out_is_the_belief. now apply exact_at_every_vertex. Qed.

End Layers.

(** ** The theorems speak of something: the path 0 - 1 - 2, seen from its middle and from an end *)

Open Scope nat_scope.

Definition path (u : nat) : list nat := match u with 0 => [1] | 1 => [0; 2] | 2 => [1] | _ => [] end.

Ltac look := constructor; [apply Permutation_refl |]; intros k [<- | [<- | []]] || intros k [<- | []] || intros k [].

(** A path of three vertices is such a tree, seen from its middle and seen from an end. *)
Theorem the_path_of_three_is_a_tree :
  sees path (path 1) (Node 1 [Node 0 []; Node 2 []]) /\ sees path (path 0) (Node 0 [Node 1 [Node 2 []]]).
Proof. split; repeat look. Qed.
