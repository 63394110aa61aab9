"""`unmask doctor` as a person runs it."""

import json

import trees
from unmask.datasets.doctor import examine
from unmask.datasets.doctor_report import SCHEMA, document

SWAP = "manipulated_sequences/FaceSwap/c23/videos/000_003.mp4"


def test_it_prints_text_or_json_and_says_by_its_code_whether_to_mend(cli, tmp_path):
    root = trees.ffpp(tmp_path / "ff", methods=("FaceSwap",))
    done = cli("doctor", "ffpp", root)
    assert done.code == 0
    assert done.out.startswith(f"FaceForensics++ in {root}\n16 of 16 videos are here")
    (root / SWAP).write_bytes(b"")
    done = cli("doctor", "ffpp", root, "--json")
    assert done.code == 1
    assert done.err == ""
    said = json.loads(done.out)
    assert said == json.loads(json.dumps(document(examine("ffpp", root))))
    assert said["schema"] == SCHEMA
    assert said["usable"] is False
    assert said["findings"][0]["items"] == [{"path": SWAP, "reason": "0 bytes"}]


def test_its_options_reach_the_reader(cli, tmp_path):
    ff = trees.dfd(trees.ffpp(tmp_path / "ff", compressions=("c23", "c40")))
    assert "rule 'identity'" in cli("doctor", "dfd", ff, "--split", "identity").out
    assert "nothing here of: raw, c40" in cli("doctor", "ffpp", ff, "--compression", "c23").out
    df = trees.deeperforensics(tmp_path / "df")
    assert "real class that was not found" in cli("doctor", "deeperforensics", df).out
    assert "not found" not in cli("doctor", "deeperforensics", df, "--ff-root", ff).out


def test_what_it_does_not_know_is_answered_with_what_it_knows(cli, tmp_path):
    done = cli("doctor", "celebdf", tmp_path)
    assert done.code == 2
    assert 'no such data set; did you mean "celebdf-v' in done.said
    done = cli("doctor", "ffpp", tmp_path)
    assert done.code == 1
    assert "nothing of ffpp is here; expected original_sequences" in done.said


def test_it_needs_nothing_of_the_training_extra(command, alone, tmp_path):
    root = trees.celebdf(tmp_path)
    done = command("doctor", "celebdf-v2", root, program=alone)
    assert done.code == 0, done.err
    assert done.out.startswith("Celeb-DF v2 in")
