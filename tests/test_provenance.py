from pathlib import Path

from nanonet.provenance import collect, hash_file


def test_files_of_one_name_have_a_hash_each(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "map.mrc").write_text(folder)
    own = tmp_path / "image.tif"
    own.write_text("image")
    one, other = (tmp_path / folder / "map.mrc" for folder in ("one", "other"))
    found = collect(config={}, inputs=[own, one, other, own]).inputs
    assert found == {
        "image.tif": hash_file(own),
        one.as_posix(): hash_file(one),
        other.as_posix(): hash_file(other),
    }
