"""What ``--help`` prints; it reads only names of config files, so that it answers at once."""

from __future__ import annotations

from pathlib import Path

COMMANDS = {
    "train": "train a network on simulated data",
    "infer": "analyse images and movies: masks, sizes, columns; writes tables, maps and a report",
    "simulate": "make training data and movies with known truth",
    "doctor": "check this installation: versions, packages, readers, physics",
}

_FORMS = {
    "train": "nanonet train experiment=NAME shards=FOLDER [output=FOLDER] [group=variant] [key=value]",
    "infer": "nanonet infer pipeline=NAME input=FILE|FOLDER|GLOB [output=FOLDER] [group=variant] [key=value]",
    "simulate": "nanonet simulate [experiment=NAME] [structures=NAME|FILE.yaml] [group=variant] [key=value]",
    "doctor": "nanonet doctor [--physics]",
}

_KEYS = {
    "infer": {
        "input=…": "a movie or image (dm3 dm4 emd ser emi mrc tif hspy npy npz png jpg), a folder, or a glob",
        "output=…": "folder of the results; without it a new one under outputs/",
        "checkpoint=…": "a trained network, for stages that use one",
        "element=Pt": "of pipeline=atoms: chemical symbol; half1=… half2=… are half maps of the map",
        "read.pixel_size=0.2": "Å per pixel where the file does not say (or px: measure in pixels)",
        "read.frames=0:100": "only these frames",
        "truth=…": "a table of true columns to compare with",
        "workers=2": "frames at the same time; cluster=dask or cluster=slurm for other machines",
        "report.xlsx=true": "all tables also as one workbook",
        "report.png=true": "pictures of the frames with what was found in them",
    },
    "train": {
        "shards=…": "folder that nanonet simulate wrote",
        "output=…": "folder of the run; the same command goes on with it where it was stopped",
        "-m": "sweep: model.width=16,32 trains one network for each",
    },
    "simulate": {
        "preview": "draw a sheet of samples with their truth; samples=12, shards=FOLDER, output=NAME.png",
        "output=…": "folder of the data; the same command goes on with it where it was stopped",
        "n_structures=100": "how many; more may be asked for later",
        "workers=2": "processes; cluster=dask or cluster=slurm for other machines",
        "seed=0": "the same seed makes the same data",
    },
    "doctor": {"--physics": "also the physics self-tests of the simulator (half a minute)"},
}

_FLAGS = {
    "--config-dir DIR": "a folder with your own configs, laid out as the shipped ones",
    "--trust PACKAGE": "let configs name functions of your own package",
    "--cfg": "print the whole config and stop",
    "--debug": "show the traceback of an error",
}


def usage(command: str | None) -> str:
    """Return the help text of a command, or of all."""
    if command is None:
        lines = ["nanonet: numbers with error bars from (S)TEM images and movies of nanoparticles", ""]
        lines += [_row(name, text) for name, text in COMMANDS.items()]
        return "\n".join([*lines, "", "nanonet COMMAND --help lists what a command takes."])
    lines = [COMMANDS[command], "", f"  {_FORMS[command]}", ""]
    lines += [_row(key, text) for key, text in _KEYS[command].items()]
    lines += _groups(command)
    return "\n".join([*lines, "", "options", *(_row(flag, text) for flag, text in _FLAGS.items())])


def _groups(command: str) -> list[str]:
    package = Path(__file__).resolve().parents[1]
    folders = [package / "configs" / command, package.parent / "configs" / command]
    folder = next((folder for folder in folders if folder.is_dir()), None)
    groups = sorted(path for path in folder.iterdir() if path.is_dir()) if folder else []
    rows = [_row(f"{g.name}=…", ", ".join(sorted(file.stem for file in g.glob("*.yaml")))) for g in groups]
    return ["", "groups and their variants", *rows] if rows else []


def _row(name: str, text: str) -> str:
    return f"  {name:<22} {text}"
