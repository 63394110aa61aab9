"""`unmask scan`: exit codes, what goes where, refusals before any work."""

import os
import pty
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from unmask.pipeline import detector as detector_module
from unmask.report.schema import ErrorDocument, ReportDocument


@pytest.fixture
def no_work(monkeypatch):
    """Fail if a detector is opened: refusals come before."""

    def opened(*args, **kwargs):
        raise AssertionError("a detector was opened before the request was refused")

    monkeypatch.setattr(detector_module, "load", opened)


def test_one_file_is_answered_on_stdout(cli, face_clip, tiny_checkpoint):
    done = cli("scan", face_clip, "--model", tiny_checkpoint, "--frames", 4)
    assert done.code == 0
    assert done.err == ""
    assert "face.mp4" in done.out
    assert "p_fake" in done.out
    assert "dtn/small" in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_a_bad_file_alone_is_exit_code_1_and_leaves_stdout_empty(cli, tiny_checkpoint, tmp_path):
    done = cli("scan", tmp_path / "gone.mp4", "--model", tiny_checkpoint)
    assert (done.code, done.out) == (1, "")
    assert "there is no such file" in done.said


def test_several_files_are_a_line_each_and_a_summary(cli, face_clip, tiny_checkpoint, tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    done = cli("scan", face_clip, text, "--model", tiny_checkpoint, "--frames", 2)
    assert done.code == 1
    assert str(face_clip) in done.out
    assert "2 files: " in done.out
    assert "1 unreadable" in done.out
    assert str(text) in done.err
    assert "holds text" in done.said


def test_json_and_html_files_are_written(cli, face_clip, tiny_checkpoint, tmp_path):
    out, page = tmp_path / "out.json", tmp_path / "report [1].html"
    done = cli(
        *("scan", face_clip, tmp_path / "gone.mp4", "--model", tiny_checkpoint),
        *("--frames", 2, "--json", out, "--html", page),
    )
    assert done.code == 1
    assert str(page) in done.out
    lines = out.read_text(encoding="ascii").splitlines()
    documents = [type(document) for document in Documents.of(lines)]
    assert documents == [ReportDocument, ErrorDocument]
    seen = Page(page.read_text(encoding="utf-8"))
    assert seen.balanced
    assert str(face_clip) in seen.text
    assert "gone.mp4" in seen.text


class Documents:
    @staticmethod
    def of(lines):
        from unmask.report.schema import from_json

        return [from_json(line) for line in lines]


class Page(HTMLParser):
    """Text of a page, and whether every tag is closed."""

    def __init__(self, html):
        super().__init__()
        self.text, self.open, self.balanced = "", [], True
        self.feed(html)
        self.balanced = self.balanced and not self.open

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img", "br", "hr", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        self.balanced = self.balanced and bool(self.open) and self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_several_workers_say_the_same(cli, face_clip, tiny_checkpoint):
    args = ("scan", face_clip, face_clip, "--model", tiny_checkpoint, "--frames", 2, "--json", "-")
    one, two = cli(*args), cli(*args, "--workers", 2)
    same = [document.model_copy(update={"timing_s": None}) for document in one.documents]
    assert [d.model_copy(update={"timing_s": None}) for d in two.documents] == same


@pytest.mark.parametrize("option", ["--json", "--html"])
@pytest.mark.parametrize("place", ["no/such/folder/out.x", "file/out.x", "folder"])
@pytest.mark.usefixtures("no_work")
def test_an_output_that_cannot_be_written_is_refused_before_any_work(
    option, place, cli, face_clip, tmp_path
):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    done = cli("scan", face_clip, option, tmp_path / place)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"unmask: {tmp_path / place}: cannot be written (")


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_a_report_never_takes_the_place_of_a_video(option, cli, no_work, face_clip, tmp_path):
    """`unmask scan --html a.mp4 b.mp4`: the name of the report was forgotten."""
    evidence = shutil.copy(face_clip, tmp_path / "evidence.mp4")
    unnamed = shutil.copy(face_clip, tmp_path / "evidence")
    before = evidence.read_bytes()
    for target in (evidence, unnamed):
        done = cli("scan", option, target, unnamed)
        assert done.code == 2
        assert "must not take the place" in done.said
        assert target.read_bytes() == before


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_a_file_under_another_name_is_still_the_same_file(
    option, cli, no_work, face_clip, tmp_path
):
    evidence = shutil.copy(face_clip, tmp_path / "evidence")
    link = tmp_path / "link"
    link.symlink_to(evidence)
    before = evidence.read_bytes()
    for target in (link, tmp_path / "." / ".." / tmp_path.name / "evidence"):
        assert cli("scan", evidence, option, target).code == 2
        assert evidence.read_bytes() == before


def test_a_refused_request_leaves_an_older_result_alone(cli, face_clip, tmp_path):
    old = tmp_path / "old.json"
    old.write_text("yesterday's")
    assert cli("scan", face_clip, "--json", old, "--model", "dtm").code == 2
    assert old.read_text() == "yesterday's"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--model", "dtn/smal"], "Did you mean dtn/small"),
        (["--model", "xeption"], "Did you mean xception"),
        (["--model", "qqqq"], "`unmask models` lists them"),
        (["--frames", "0"], "--frames': Input should be greater than or equal to 1"),
        (["--frames", "many"], "should be a valid integer"),
        (["--workers", "0"], "greater than or equal to 1"),
        (["--device", "tpu"], "'auto', 'cpu', 'cuda'"),
        (["--backend", "onnx"], "'auto', 'torch', 'openvino'"),
        (["--device", "cuda", "--backend", "openvino"], "for CUDA use --backend torch"),
        (["--jsn", "-"], "No such option: --jsn"),
    ],
)
def test_wrong_usage_is_exit_code_2_with_the_way_out(args, said, cli, face_clip, tiny_checkpoint):
    model = [] if "--model" in args else ["--model", str(tiny_checkpoint)]
    done = cli("scan", face_clip, *model, *args)
    assert (done.code, done.out) == (2, "")
    assert said in done.said


def test_a_scan_of_nothing_is_wrong_usage(cli, no_work, tmp_path):
    assert cli("scan").code == 2
    done = cli("scan", tmp_path)
    assert done.code == 2
    assert "no video or image in this folder" in done.said


def test_a_network_without_weights_is_refused_with_the_way_out(cli, face_clip):
    done = cli("scan", face_clip, "--model", "mesonet-4")
    assert done.code == 2
    assert "mesonet-4: no trained weights" in done.said
    assert "--allow-untrained" in done.said


def test_a_folder_that_shares_a_networks_name_does_not_hide_it(
    cli, face_clip, tmp_path, monkeypatch
):
    (tmp_path / "mesonet-4").mkdir()
    monkeypatch.chdir(tmp_path)
    assert "no trained weights" in cli("scan", face_clip, "--model", "mesonet-4").said


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_untrained_weights_decide_nothing(backend, cli, face_clip):
    done = cli(
        *("scan", face_clip, "--model", "mesonet-4", "--allow-untrained"),
        *("--backend", backend, "--frames", 2, "--json", "-"),
    )
    (document,) = done.documents
    assert (done.code, document.verdict) == (0, "undecided")
    assert {"untrained", "uncalibrated"} <= set(document.reasons)
    assert backend in document.model.runtime


def test_the_torch_backend_gives_the_graphs_answer(cli, face_clip, tiny_checkpoint):
    args = ("scan", face_clip, "--model", tiny_checkpoint, "--frames", 2, "--json", "-")
    (graph,), (torch,) = cli(*args).documents, cli(*args, "--backend", "torch").documents
    assert torch.model.runtime.startswith("torch")
    assert torch.p_fake == pytest.approx(graph.p_fake, abs=0.02)


def test_names_that_a_terminal_cannot_show_do_not_stop_the_work(
    command, face_clip, tiny_checkpoint, tmp_path
):
    clip = shutil.copy(face_clip, tmp_path / "gesicht – 日本.mp4")
    done = command(
        *("scan", clip, tmp_path / "wég.mp4", "--model", tiny_checkpoint, "--frames", 1),
        *("--html", tmp_path / "bericht é.html"),
        PYTHONIOENCODING="ascii",
    )
    assert done.code == 1
    assert "1 unreadable" in done.out
    assert (tmp_path / "bericht é.html").is_file()


def test_a_cache_that_cannot_be_written_only_costs_time(command, face_clip, tiny_checkpoint):
    args = ("scan", face_clip, "--model", tiny_checkpoint, "--frames", 1, "--json", "-")
    done = command(*args, UNMASK_CACHE=os.devnull)
    assert done.code == 0
    assert done.documents[0].tracks


def test_data_stays_on_stdout_when_stderr_is_a_terminal(face_clip, tiny_checkpoint):
    """A progress bar must not catch what is printed for a pipe."""
    terminal, seen_by_child = pty.openpty()
    args = ("scan", face_clip, face_clip, "--model", tiny_checkpoint, "--frames", "1")
    child = subprocess.Popen(
        [sys.executable, "-m", "unmask", *map(str, args), "--json", "-"],
        stdout=subprocess.PIPE,
        stderr=seen_by_child,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"},
    )
    os.close(seen_by_child)
    shown = b""
    try:
        while piece := os.read(terminal, 4096):
            shown += piece
    except OSError:  # Linux's way of saying that the child is gone
        pass
    out = child.stdout.read().decode()
    assert child.wait() == 0
    assert len(Documents.of(out.splitlines())) == 2
    assert b"scanning" in shown
    assert b"2 files" in shown


def test_a_reader_that_goes_away_is_no_failure_of_ours(face_clip, tiny_checkpoint):
    args = ("scan", *[face_clip] * 3, "--model", tiny_checkpoint, "--frames", "1", "--json", "-")
    child = subprocess.Popen(
        [sys.executable, "-m", "unmask", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    child.stdout.readline()
    child.stdout.close()
    assert "Traceback" not in child.stderr.read().decode()
    child.wait()
