(** Finite sums of real numbers: what several files share. *)

Require Import Reals Lra Lia.
Open Scope R_scope.

(** f 0 + ... + f (n-1) *)
Fixpoint sum (n : nat) (f : nat -> R) : R :=
  match n with O => 0 | S m => sum m f + f m end.

Lemma sum_ext : forall n f g, (forall i, (i < n)%nat -> f i = g i) -> sum n f = sum n g.
Proof. induction n as [| n IH]; intros f g H; simpl; [reflexivity |]. rewrite (IH f g), (H n); auto. Qed.

Lemma sum_plus : forall n f g, sum n (fun i => f i + g i) = sum n f + sum n g.
Proof. induction n as [| n IH]; intros; simpl; [ring | rewrite IH; ring]. Qed.

Lemma sum_minus : forall n f g, sum n (fun i => f i - g i) = sum n f - sum n g.
Proof. induction n as [| n IH]; intros; simpl; [ring | rewrite IH; ring]. Qed.

Lemma sum_scale : forall n c f, sum n (fun i => c * f i) = c * sum n f.
Proof. induction n as [| n IH]; intros; simpl; [ring | rewrite IH; ring]. Qed.

Lemma sum_zero : forall n, sum n (fun _ => 0) = 0.
Proof. induction n as [| n IH]; simpl; [reflexivity | rewrite IH; ring]. Qed.

Lemma sum_positive : forall n f, (0 < n)%nat -> (forall i, (i < n)%nat -> 0 < f i) -> 0 < sum n f.
Proof.
  induction n as [| n IH]; intros f Hn H; [lia |]. simpl. assert (0 < f n) by (apply H; lia).
  destruct n as [| n]; [simpl; lra |]. assert (0 < sum (S n) f) by (apply IH; [lia |]; intros; apply H; lia). lra.
Qed.

(** A sum in which one term alone is not zero. *)
Lemma sum_single : forall n j f, (j < n)%nat -> (forall i, (i < n)%nat -> i <> j -> f i = 0) -> sum n f = f j.
Proof.
  induction n as [| n IH]; intros j f Hj H; [lia |]. simpl. destruct (Nat.eq_dec j n) as [-> | Hne].
  - rewrite (sum_ext n f (fun _ => 0)); [rewrite sum_zero; ring |]. intros; apply H; lia.
  - rewrite (IH j f); [rewrite (H n); [ring | lia | lia] | lia |]. intros; apply H; lia.
Qed.

Definition dot (d : nat) (x y : nat -> R) : R := sum d (fun i => x i * y i).

Lemma dot_plus_right : forall d x y z, dot d x (fun i => y i + z i) = dot d x y + dot d x z.
Proof. intros. unfold dot. rewrite <- sum_plus. apply sum_ext. intros; ring. Qed.

Lemma dot_plus_left : forall d x y z, dot d (fun i => x i + y i) z = dot d x z + dot d y z.
Proof. intros. unfold dot. rewrite <- sum_plus. apply sum_ext. intros; ring. Qed.

Lemma dot_commutes : forall d x y, dot d x y = dot d y x.
Proof. intros. unfold dot. apply sum_ext. intros; ring. Qed.

Lemma dot_scale_right : forall d c x y, dot d x (fun i => c * y i) = c * dot d x y.
Proof. intros. unfold dot. rewrite <- sum_scale. apply sum_ext. intros; ring. Qed.
