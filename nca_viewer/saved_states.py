"""State files: one moment of a run in an `.npz`, from which the run goes on bit for bit.

Three arrays, none of them pickled: `state` and `image`, float32, and `about`, JSON as bytes.
"""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nca_viewer.atomic_files import atomic_write, mode_at
from nca_viewer.config import ModelConfig
from nca_viewer.errors import ConfigError, OutputError, reason_of, shown_path, shown_text
from nca_viewer.image_files import require_suffix
from nca_viewer.moment import Moment, require_counts, require_moment
from nca_viewer.recording.lines import MAX_TEXT_LETTERS, shown_environment
from nca_viewer.strict_json import require_format, strict_json

FORMAT_NAME = "nca-viewer state"
FORMAT_VERSION = 1
"""Version that is written, and the only one that is read."""

SUFFIXES = (".npz",)
_MAX_ABOUT_BYTES = 2**20
_MAX_HEADER_BYTES = 4096


@dataclass(frozen=True, slots=True, eq=False)
class SavedState:
    """What a state file holds.

    Attributes:
        moment: Where the run was, on the host.
        checkpoint: Name of the checkpoint.
        checkpoint_sha256: Digest of its manifest.
        settings: JSON values that the window wants back, and that mean nothing here.
        environment: What computed it, see `backend.environment`.
    """

    moment: Moment
    checkpoint: str
    checkpoint_sha256: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def save_state(path: Path, saved: SavedState) -> None:
    """Write a state file, whole or not at all.

    Raises:
        OutputError: the cells have blown up, or it could not be written.
    """
    require_suffix(path, SUFFIXES)
    moment = saved.moment
    try:
        require_counts(moment)
    except ConfigError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error}; begin anew first") from None
    state = np.asarray(moment.state, np.float32)
    if not np.isfinite(state).all():
        raise OutputError(
            f"cannot write {str(path)!r}: the cells have values that are NaN or infinite; reset first"
        )
    about = {
        "format": FORMAT_NAME,
        "version": FORMAT_VERSION,
        "seed": moment.seed,
        "episode": moment.episode,
        "step": moment.step,
        "mask_ratio": moment.mask_ratio,
        "checkpoint": {"name": saved.checkpoint, "sha256": saved.checkpoint_sha256},
        "settings": dict(saved.settings),
        "environment": dict(saved.environment),
    }
    encoded = np.frombuffer(json.dumps(about, allow_nan=False).encode(), np.uint8)
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez(file, state=state, image=np.asarray(moment.image, np.float32), about=encoded)


def load_state(path: Path, config: ModelConfig, checkpoint_sha256: str | None = None) -> SavedState:
    """Read a state file.

    Args:
        path: The file.
        config: Of the automaton that is to go on from it.
        checkpoint_sha256: Of its checkpoint; None accepts any of the same grid.

    Raises:
        ConfigError: there is no such file, it is damaged or not a state file, or of another checkpoint.
    """
    name = shown_path(path)
    try:
        mode = mode_at(path)
        if not mode:
            raise ConfigError("it does not exist")
        if not stat.S_ISREG(mode):
            raise ConfigError("it is not a file")
        with path.open("rb") as file, _opened(file) as archive:
            saved = _read(archive, config)
        require_moment(saved.moment, config)
        if checkpoint_sha256 is not None and checkpoint_sha256 != saved.checkpoint_sha256:
            raise ConfigError(
                f"it is of the checkpoint {saved.checkpoint!r} with SHA-256 "
                f"{saved.checkpoint_sha256[:12]}..., and this one has {checkpoint_sha256[:12]}..."
            )
    except ConfigError as error:
        raise ConfigError(
            f"the state file {name}: {error}; give a file that was saved with this checkpoint"
        ) from None
    except OSError as error:
        raise ConfigError(f"the state file {name} cannot be read: {reason_of(error)}") from error
    return saved


def _opened(file: Any) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ConfigError("it is not a whole .npz file") from error


def _read(archive: zipfile.ZipFile, config: ModelConfig) -> SavedState:
    about = _about(archive)
    checkpoint = about.get("checkpoint")
    settings, environment = about.get("settings"), about.get("environment")
    if not all(isinstance(part, dict) for part in (checkpoint, settings, environment)):
        raise ConfigError("its description is damaged")
    assert isinstance(checkpoint, dict)
    assert isinstance(settings, dict)
    assert isinstance(environment, dict)
    return SavedState(
        moment=Moment(
            state=_array(archive, "state", config.state_shape),
            step=about.get("step"),  # type: ignore[arg-type]
            episode=about.get("episode"),  # type: ignore[arg-type]
            image=_array(archive, "image", config.image_shape),
            mask_ratio=about.get("mask_ratio"),  # type: ignore[arg-type]
            seed=about.get("seed"),  # type: ignore[arg-type]
        ),
        checkpoint=shown_text(checkpoint.get("name"), MAX_TEXT_LETTERS),
        checkpoint_sha256=shown_text(checkpoint.get("sha256"), 64),
        settings=settings,
        environment=shown_environment(environment),
    )


def _about(archive: zipfile.ZipFile) -> dict[str, Any]:
    """The description; what types its values have is not known yet."""
    encoded = _array(archive, "about", None)
    about = strict_json(encoded.tobytes(), "its description")
    if not isinstance(about, dict) or about.get("format") != FORMAT_NAME:
        raise ConfigError(f"it is not an {FORMAT_NAME}")
    require_format(about.get("version"), FORMAT_VERSION)
    return about


def _array(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...] | None) -> np.ndarray:
    """One array; nothing larger than expected is unpacked. Without a shape: bytes, as many as may be."""
    dtype = np.dtype(np.uint8 if shape is None else np.float32)
    most = _MAX_ABOUT_BYTES if shape is None else int(np.prod(shape)) * dtype.itemsize
    try:
        with archive.open(f"{name}.npy") as member:
            content = member.read(most + _MAX_HEADER_BYTES + 1)
        file = io.BytesIO(content)
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ConfigError(f"its {name} is not as it was saved")
        found_shape, is_fortran, found_dtype = np.lib.format.read_array_header_1_0(file)
    except ConfigError:
        raise
    except KeyError:
        raise ConfigError(f"it has no {name}") from None
    except Exception as error:  # Of zip, of deflate, of the array's header: each has errors of its own.
        raise ConfigError(f"its {name} is damaged") from error
    if found_dtype != dtype:
        raise ConfigError(f"its {name} is {str(found_dtype)[:60]}, and {dtype} is expected")
    if shape is not None and found_shape != shape:
        sizes = " x ".join(map(str, found_shape))[:60], " x ".join(map(str, shape))
        raise ConfigError(
            f"its {name} has {sizes[0] or 'no'} values, and the checkpoint's automaton {sizes[1]}"
        )
    data = content[file.tell() :]
    if is_fortran and len(found_shape) > 1:
        raise ConfigError(f"its {name} is not as it was saved")
    if len(data) > most or len(data) != int(np.prod(found_shape, dtype=object)) * dtype.itemsize:
        raise ConfigError(f"its {name} is not whole")
    return np.frombuffer(data, dtype).reshape(found_shape)
