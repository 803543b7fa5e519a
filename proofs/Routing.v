(** Which token does attention pick? (paper 5.2; ledger: the routing rows)

    Index matching scores a key by the product of two indices. That picks the largest index, not the matching one.
    Keys of one dimension can only ever pick two tokens; two dimensions, or a Hamming code, pick any.
    And no finite score makes softmax pick at all: every weight stays strictly between 0 and 1. *)

Require Import Reals Lra Lia Psatz ZArith List.
Import ListNotations.

(** ** Index matching *)

Definition score (wanted own : nat) : nat := wanted * own.

(** The claim: among n tokens, every other token scores strictly less than the wanted one. *)
Definition matches (n wanted : nat) : Prop :=
  forall k, k < n -> k <> wanted -> score wanted k < score wanted wanted.

(** It holds for the last index and for no other. *)
Theorem only_last_index_matches : forall n wanted, 2 <= n -> wanted < n -> (matches n wanted <-> wanted = n - 1).
Proof.
  unfold matches, score; intros n wanted Hn Hw; split.
  - intro H. destruct (Nat.eq_dec wanted (n - 1)) as [e | e]; [exact e |].
    specialize (H (n - 1)). assert (wanted * (n - 1) < wanted * wanted) by (apply H; lia). nia.
  - intros -> k Hk Hne. nia.
Qed.

(** So for every n >= 3 the claim about all indices is false: index 1 loses to the last token. *)
Theorem index_matching_refuted : forall n, 3 <= n -> ~ (forall wanted, wanted < n -> matches n wanted).
Proof.
  intros n Hn H. assert (E : 1 = n - 1) by (apply (only_last_index_matches n 1); [lia | lia | apply H; lia]). lia.
Qed.

(** For every index in between, the last token scores strictly more than the right one. *)
Theorem last_token_wins : forall n wanted, 1 <= wanted -> wanted < n - 1 -> score wanted wanted < score wanted (n - 1).
Proof. unfold score; intros; nia. Qed.

(** ** One dimension selects at most two tokens *)

Open Scope R_scope.

(** Token a wins for query q: its score q * key beats every other one strictly. *)
Definition wins (n : nat) (key : nat -> R) (q : R) (a : nat) : Prop :=
  (a < n)%nat /\ forall k, (k < n)%nat -> k <> a -> q * key k < q * key a.

(** Whoever wins has the strictly largest key or the strictly smallest. *)
Theorem a_winner_is_extreme : forall n key q a, wins n key q a ->
  (forall k, (k < n)%nat -> k <> a -> key k < key a) \/ (forall k, (k < n)%nat -> k <> a -> key a < key k).
Proof.
  intros n key q a [Ha H]. destruct (Rle_lt_dec q 0) as [Hq | Hq].
  - right. intros k Hk Hne. specialize (H k Hk Hne). nra.
  - left. intros k Hk Hne. specialize (H k Hk Hne). nra.
Qed.

(** Three winners for three queries: two of them are the same token, whatever the keys are. *)
Theorem rank_one_selects_at_most_two : forall n key q1 q2 q3 a b c,
  wins n key q1 a -> wins n key q2 b -> wins n key q3 c -> a = b \/ b = c \/ a = c.
Proof.
  intros n key q1 q2 q3 a b c Ha Hb Hc.
  destruct (Nat.eq_dec a b) as [e | ab]; [now left |].
  destruct (Nat.eq_dec b c) as [e | bc]; [now right; left |].
  destruct (Nat.eq_dec a c) as [e | ac]; [now right; right | exfalso].
  pose proof (a_winner_is_extreme _ _ _ _ Ha) as Ea. pose proof (a_winner_is_extreme _ _ _ _ Hb) as Eb.
  pose proof (a_winner_is_extreme _ _ _ _ Hc) as Ec.
  destruct Ha as [La _], Hb as [Lb _], Hc as [Lc _].
  destruct Ea as [A | A], Eb as [B | B], Ec as [C | C];
    pose proof (A b Lb (not_eq_sym ab)); pose proof (A c Lc (not_eq_sym ac));
    pose proof (B a La ab); pose proof (B c Lc (not_eq_sym bc));
    pose proof (C a La ac); pose proof (C b Lb bc); lra.
Qed.

(** Query (2i, -1), keys (k, k^2). *)
Definition score2 (i k : nat) : Z := (2 * Z.of_nat i * Z.of_nat k - Z.of_nat k * Z.of_nat k)%Z.

(** Two dimensions select any token: the match wins by at least 1. *)
Theorem two_dimensions_select_any : forall i k, k <> i -> (score2 i k + 1 <= score2 i i)%Z.
Proof.
  unfold score2; intros i k H. assert ((Z.of_nat i - Z.of_nat k) * (Z.of_nat i - Z.of_nat k) >= 1)%Z by nia. nia.
Qed.

(** ** Hamming codes *)

Open Scope Z_scope.

Definition bit (b : bool) : Z := if b then 1 else 0.

(** q = [b, 1-b], k = -c [1-b', b']: the dot product, bit by bit. *)
Fixpoint code_score (c : Z) (q k : list bool) : Z :=
  match q, k with
  | x :: q', y :: k' => - c * (bit x * (1 - bit y) + (1 - bit x) * bit y) + code_score c q' k'
  | _, _ => 0
  end.

Fixpoint differing (q k : list bool) : Z :=
  match q, k with
  | x :: q', y :: k' => (if Bool.eqb x y then 0 else 1) + differing q' k'
  | _, _ => 0
  end.

(** The score of two codes is -c times the number of bits in which they differ. *)
Theorem hamming_score : forall c q k, code_score c q k = - c * differing q k.
Proof.
  intros c q; induction q as [| x q IH]; intros [| y k]; cbn [code_score differing]; try ring.
  rewrite IH. destruct x, y; cbn [bit Bool.eqb]; ring.
Qed.

Lemma differing_positive : forall q k, length q = length k -> q <> k -> 1 <= differing q k.
Proof.
  assert (N : forall q k, 0 <= differing q k).
  { induction q as [| x q IH]; intros [| y k]; cbn [differing]; try lia. specialize (IH k). destruct (Bool.eqb x y); lia. }
  induction q as [| x q IH]; intros [| y k] L D; cbn [differing length] in *; try discriminate; [congruence |].
  destruct (Bool.eqb x y) eqn:E.
  - apply Bool.eqb_prop in E; subst y. injection L as L. specialize (IH k L). assert (q <> k) by congruence. intuition lia.
  - specialize (N q k). lia.
Qed.

(** A match scores exactly 0, everything else at most -c: the gap is c, over the integers, so nothing is rounded. *)
Theorem hamming_codes_route : forall c q k, 0 <= c -> length q = length k ->
  code_score c q q = 0 /\ (q <> k -> code_score c q k <= - c).
Proof.
  intros c q k Hc L; split.
  - rewrite hamming_score. replace (differing q q) with 0; [ring |].
    clear; induction q as [| x q IH]; cbn [differing]; [reflexivity |]. rewrite Bool.eqb_reflx. lia.
  - intro D. rewrite hamming_score. pose proof (differing_positive q k L D). nia.
Qed.

(** ** Finite softmax is never hard *)

Open Scope R_scope.

Fixpoint total (scores : list R) : R :=
  match scores with [] => 0 | s :: rest => exp s + total rest end.

Lemma total_nonnegative : forall scores, 0 <= total scores.
Proof. induction scores as [| s rest IH]; simpl; [lra |]. pose proof (exp_pos s). lra. Qed.

(** With two or more tokens every softmax weight lies strictly between 0 and 1, so no token is ever read alone. *)
Theorem finite_softmax_is_never_hard : forall before s after, (before ++ after)%list <> [] ->
  let weight := exp s / total (before ++ s :: after) in 0 < weight < 1.
Proof.
  intros before s after H weight.
  assert (T : total (before ++ s :: after) = exp s + total (before ++ after)).
  { clear H weight. induction before as [| b rest IH]; simpl; [reflexivity | rewrite IH; ring]. }
  assert (P : 0 < total (before ++ after)).
  { destruct (before ++ after)%list as [| x rest] eqn:E; [congruence |]. simpl.
    pose proof (exp_pos x). pose proof (total_nonnegative rest). lra. }
  pose proof (exp_pos s) as E. unfold weight. rewrite T. split.
  - apply Rdiv_lt_0_compat; lra.
  - apply Rmult_lt_reg_r with (exp s + total (before ++ after)); [lra |].
    unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.
