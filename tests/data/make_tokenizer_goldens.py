"""Writes golden/tokenizer.json: a byte-level BPE that Hugging Face's tokenizers trains on LICENSE, and how it encodes some texts.
Run with that package: python3 make_tokenizer_goldens.py (the file in the tree: tokenizers 0.23)."""
import json
import pathlib

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

here = pathlib.Path(__file__).parent
text = (here / "../../LICENSE").read_text()
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
tokenizer.train_from_iterator([text], trainers.BpeTrainer(vocab_size=700, min_frequency=2, show_progress=False,
                                                           initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
texts = ["", "Hello world", "You may not use this file except in compliance with the License.", "  two  spaces and\n\n\nlines \t tabs  ",
         "it's we'll I'd they've you're I'm can't 's ''s 'S", "numbers 123 4.5e-6 x2", "naïve façade Übergröße Ελληνικά русский 日本語 한국어 العربية",
         "emoji 👩‍👩‍👧 👍🏽 ½ ² Ⅷ", "a\u00a0b\u3000c\u2028d", "the " * 40, "aaaaaaaaaaaaaaaaaaaaaaa", "____----!!!???", "\r\n\r\n x", " ", "   ", "x  "]
state = json.loads(tokenizer.to_str())["model"]
out = {"vocabulary": state["vocab"], "merges": [m if isinstance(m, str) else " ".join(m) for m in state["merges"]],
       "cases": [{"text": t, "tokens": tokenizer.encode(t).ids} for t in texts]}
for case in out["cases"]:
    assert tokenizer.decode(case["tokens"]) == case["text"], case
(here / "golden/tokenizer.json").write_text(json.dumps(out, indent=None) + "\n")
