"""What Rocq says of every theorem in this folder, compared with the record that the ledger quotes (data/proofs.json).

Only the standard library is used. ``--record`` writes the record anew, after a change of the proofs.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RECORD = HERE.parent / "bnt" / "data" / "proofs.json"
LEDGER = HERE.parent / "bnt" / "claims" / "rows"  # names theorems as "File.name"
# The classical real numbers of Rocq's standard library rest on these, and nothing here may rest on more.
STANDARD = {
    "ClassicalDedekindReals.sig_not_dec",
    "ClassicalDedekindReals.sig_forall_dec",
    "FunctionalExtensionality.functional_extensionality_dep",
    "Classical_Prop.classic",
}
QUIET = ["-w", "-notation-overridden,-ambiguous-paths"]
FORBIDDEN = re.compile(r"\b(Admitted|admit|give_up|Axiom|Axioms|Parameter|Parameters|Conjecture)\b")
COMMENT = re.compile(r"\(\*.*?\*\)", re.DOTALL)
THEOREM = re.compile(r"^[ \t]*Theorem\s+(\w+)(.*?)\bProof\b", re.DOTALL | re.MULTILINE)


def theorems(text: str) -> dict[str, dict[str, Any]]:
    """Name -> the words above it and its statement, for every theorem of one file."""
    found = {}
    for match in THEOREM.finditer(text):
        above = text[: match.start()].rstrip()
        words = ""
        if above.endswith("*)"):
            words = above[above.rindex("(*") :].strip("(*) \n")
            words = "" if above[above.rindex("(*") :].startswith("(** *") else words  # a heading
        found[match[1]] = {
            "words": " ".join(words.split()),
            "statement": " ".join(f"{match[1]}{match[2]}".split()),
        }
    return found


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def assumptions(folder: Path, names: list[str]) -> dict[str, list[str]]:
    """The axioms behind each theorem, as Rocq prints them."""
    modules = sorted({name.split(".")[0] for name in names})
    questions = [f"From Proofs Require Import {' '.join(modules)}."]
    questions += [f'Redirect "{name}" Print Assumptions {name}.' for name in names]
    (folder / "Ask.v").write_text("\n".join(questions))
    run("coqc", "-Q", ".", "Proofs", *QUIET, "Ask.v", folder=folder)
    said = {name: (folder / f"{name}.out").read_text() for name in names}
    return {
        name: sorted(set(re.findall(r"^([\w.]+)\s*:", text, re.MULTILINE)) - {"Axioms"}) for name, text in said.items()
    }


def main(here: Path = HERE, kept: Path = RECORD, write: bool = False) -> int:
    """0 where every theorem of the folder ``here`` stands and ``kept`` says so; prints each fault."""
    if not shutil.which("coqc"):
        sys.exit("proofs/check needs Rocq: on Debian, apt-get install coq libcoq-mathcomp")
    started, faults, found = time.time(), [], {}
    sources = sorted(here.glob("*.v"))
    for source in sources:
        text = source.read_text(encoding="utf-8")
        faults += [f"{source.name} says {word}" for word in FORBIDDEN.findall(COMMENT.sub("", text))]
        found |= {f"{source.stem}.{name}": about for name, about in theorems(text).items()}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for source in sources:
            shutil.copy(source, folder)
        order = run("coqdep", "-sort", "-Q", ".", "Proofs", *(source.name for source in sources), folder=folder)
        for name in order.split():
            run("coqc", "-Q", ".", "Proofs", *QUIET, name, folder=folder)
        for theorem, rests_on in assumptions(folder, list(found)).items():
            found[theorem]["assumptions"] = rests_on
            faults += [f"{theorem} rests on {axiom}" for axiom in rests_on if axiom not in STANDARD]
            print(f"{theorem}: {', '.join(rests_on) or 'no axiom'}")
    files = "|".join(source.stem for source in sources)
    for rows in sorted(LEDGER.glob("*.py")):
        named = set(re.findall(rf"\b(?:{files})\.[a-z]\w+", rows.read_text(encoding="utf-8")))
        faults += [
            f"the ledger, {rows.name}, names {theorem}, which is not here" for theorem in sorted(named - set(found))
        ]
    faults += [f"{theorem} has no words above it" for theorem, about in found.items() if not about["words"]]
    if write:
        kept.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    elif json.loads(kept.read_text(encoding="utf-8")) != found:
        faults.append(f"{kept.name} is not what Rocq says today; after a change of the proofs: proofs/check --record")
    for fault in faults:
        print(f"FAULT: {fault}")
    print(f"{len(found)} theorems in {len(sources)} files, {len(faults)} faults, {time.time() - started:.0f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(write="--record" in sys.argv[1:]))
