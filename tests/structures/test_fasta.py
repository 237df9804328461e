"""FASTA input: good records pass, bad ones get one line that names the character and its position."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from betafold.errors import BetaFoldError
from betafold.structures.fasta import Limits, check_sequence, read_fasta, sanitise
from betafold.structures.samples import STANDARD

GOOD = "ACDEFGHIKLMNP"


def fasta(tmp_path, text, name="in.fasta"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def one_failure(tmp_path, sequence):
    records, failures = read_fasta(fasta(tmp_path, f">bad\n{sequence}\n>good\n{GOOD}\n"))
    assert [record.id for record in records] == ["good"]
    ((identifier, reason),) = failures
    assert identifier == "bad" and "\n" not in reason
    return reason


@pytest.mark.parametrize("letter", "JOUBZX*-.1")
def test_wrong_letter_is_named_with_its_position(tmp_path, letter):
    reason = one_failure(tmp_path, GOOD[:4] + letter + GOOD[4:])
    assert f"{letter!r} at position 5" in reason


@pytest.mark.parametrize(
    "sequence, expected",
    [
        ("ACDEF GHIKLMNP", "blank at position 6"),
        ("ACDEfGHIKLMNP", "lower-case 'f' at position 5"),
        (GOOD[:9], "9 residues, shorter than 10"),
        ("A" * 31, "31 residues, longer than 30"),
        ("", "empty"),
        ("*", "empty"),
        ("acdefghjklmnp", "'J' at position 8"),
        ("ACDEFGHIKLMN\u0410", "at position 13"),
    ],
)
def test_reasons(tmp_path, sequence, expected):
    assert expected in one_failure(tmp_path, sequence)


def test_lengths_10_and_30_pass():
    assert check_sequence("A" * 10) == "A" * 10
    assert check_sequence("A" * 30) == "A" * 30


def test_whole_lower_case_and_closing_stop_are_forgiven_with_a_note(tmp_path):
    records, failures = read_fasta(fasta(tmp_path, f">a\n{GOOD.lower()}\n>b\n{GOOD}*\n"))
    assert not failures
    assert [record.sequence for record in records] == [GOOD, GOOD]
    assert "lower case" in records[0].note and "stop" in records[1].note


def test_duplicate_names_get_distinct_ids_and_a_note(tmp_path):
    text = "".join(f">{name}\n{GOOD}\n" for name in ("pep", "pep", "PEP", "pep_2", "other"))
    records, _ = read_fasta(fasta(tmp_path, text))
    ids = [record.id for record in records]
    assert ids == ["pep", "pep_2", "PEP_3", "pep_2_2", "other"]
    assert [bool(record.note) for record in records] == [False, True, True, True, False]


@pytest.mark.parametrize(
    "name, expected",
    [
        ("a/b", "a_b"),
        ("../../etc/passwd", "etc_passwd"),
        ("..", "record_1"),
        ("", "record_1"),
        ("my peptide", "my"),
        ("sp|P01308|INS_HUMAN Insulin", "sp_P01308_INS_HUMAN"),
        ("caf\u00e9", "cafe"),
        ("x_model_2", "x_model-2"),
        ("n" * 500, "n" * 100),
        ("-rf", "rf"),
    ],
)
def test_names_become_safe_file_names(tmp_path, name, expected):
    (record,), _ = read_fasta(fasta(tmp_path, f">{name}\n{GOOD}\n"))
    assert record.id == expected and record.name == name


@given(st.text())
def test_any_name_is_safe(name):
    safe = sanitise(name)
    assert len(safe) <= 101 and not safe.startswith((".", "-")) and "/" not in safe and safe.isascii()


@given(st.text(alphabet=STANDARD, min_size=10, max_size=30))
def test_check_sequence_is_idempotent(sequence):
    assert check_sequence(check_sequence(sequence)) == sequence == check_sequence(sequence.lower() + "*")


@pytest.mark.parametrize(
    "data",
    [
        f">a\r\n{GOOD[:6]}\r\n{GOOD[6:]}\r\n".encode(),
        f"\ufeff>a\n{GOOD}\n".encode(),
        f">a\r{GOOD}\r".encode(),
        f"\n\n>a\n\n{GOOD}\n\n".encode(),
        gzip.compress(f">a\n{GOOD}".encode()),
    ],
    ids=["windows", "bom", "old-mac", "blank-lines", "gzip"],
)
def test_file_flavours(tmp_path, data):
    records, failures = read_fasta(fasta(tmp_path, data))
    assert [record.sequence for record in records] == [GOOD] and not failures


def test_text_before_the_first_header_is_one_failure(tmp_path):
    records, failures = read_fasta(fasta(tmp_path, f"\nACDEFG\n>a\n{GOOD}\n"))
    assert len(records) == 1 and failures[0][0] == "line_2" and "before the first header" in failures[0][1]


@pytest.mark.parametrize(
    "data, expected",
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"ACDEFGHIKLMN\n", "no FASTA record"),
        (b"\x00\x01\x02>", "binary"),
        (gzip.compress(b">a\n" + GOOD.encode() * 50)[:-12], "gzip"),
    ],
    ids=["empty", "blank", "no-header", "binary", "truncated"],
)
def test_useless_files_are_one_line(tmp_path, data, expected):
    with pytest.raises(BetaFoldError, match=expected) as error:
        read_fasta(fasta(tmp_path, data))
    assert "in.fasta" in str(error.value) and "\n" not in str(error.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(BetaFoldError, match="no such file"):
        read_fasta(tmp_path / "none.fasta")
    with pytest.raises(BetaFoldError, match="folder"):
        read_fasta(tmp_path)


def test_a_model_sets_its_own_limit_and_is_named(tmp_path):
    chains = Limits(512, "mtp-esm2")
    assert check_sequence("A" * 512, chains) == "A" * 512
    for length, reason in ((513, "513 residues, longer than 512"), (9, "9 residues, shorter than 10")):
        path = fasta(tmp_path, f">a\n{'A' * length}\n")
        assert read_fasta(path, chains)[1] == [("a", f"{reason}; model mtp-esm2 takes 10-512 residues")]
    with pytest.raises(BetaFoldError, match="31 residues, longer than 30; give 10-30 residues"):
        check_sequence("A" * 31)
