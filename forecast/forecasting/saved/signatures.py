"""A detached signature of a saved model: who wrote it, which a hash cannot tell.

    NAME.sig    beside the folder NAME: ed25519 of the SHA-256 of its manifest, in hex

The manifest holds the hashes of all other files, so that one signature covers the folder. Keys are
PEM files, as `openssl genpkey -algorithm ed25519` writes them.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.errors import ArtifactError, ConfigError
from forecast.files.atomic import write_file
from forecast.files.outputs import check_file
from forecast.forecasting.artifact import SIGNATURE_ENDING as ENDING
from forecast.forecasting.artifact import load_artifact
from forecast.forecasting.verifying import verifying

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

MAX_BYTES = 10_000
"""Of a key or a signature."""

HEAD = b"bigru-forecast saved model\n"
"""Before what is signed, so that a signature is good for nothing else."""

_FORM = re.compile(rb"[0-9a-f]{128}\n?")


def signature_file(model: Path) -> Path:
    """Return the file with the signature of a saved model."""
    target = Path(os.path.realpath(model))
    return target.with_name(f"{target.name}{ENDING}")


def sign_model(model: Path, key: Path) -> Path:
    """Sign a saved model, after all of it was verified.

    Args:
        model: its folder.
        key: PEM file of an ed25519 private key, without a password.

    Returns:
        The file with the signature, beside the folder.

    Raises:
        ArtifactError: the model is damaged.
        ConfigError: the key is none, or the package that signs is missing.
        OutputError: something else has the name of the signature.
    """
    _require_package()
    signer = _private_key(key)
    manifests: list[bytes] = []
    with verifying(lambda _, manifest: manifests.append(manifest)):
        load_artifact(model)
    path = signature_file(model)
    check_file(path, _is_signature, "signature", (key,))
    write_file(path, signer.sign(_signed(manifests[-1])).hex().encode() + b"\n")
    return path


def verifier_of(key: Path) -> Callable[[Path, bytes], None]:
    """Return a function that refuses saved models which the owner of a key has not signed.

    Args:
        key: PEM file of the ed25519 public key.

    Returns:
        From a folder and the bytes of its manifest to an `ArtifactError`, or nothing.

    Raises:
        ConfigError: the key is none, or the package that verifies is missing.
    """
    _require_package()
    public_key = _public_key(key)

    def verify(model: Path, manifest: bytes) -> None:
        from cryptography.exceptions import InvalidSignature

        path = signature_file(model)
        if not path.is_file():
            raise ArtifactError(
                f"{model}: it is not signed, {path} is missing: sign it with forecast sign, or get "
                f"the signature from where the model comes from"
            )
        data = _read(path)
        if _FORM.fullmatch(data) is None:
            raise ArtifactError(f"{path}: it is no signature; expected 128 hexadecimal digits")
        try:
            public_key.verify(bytes.fromhex(data.decode().strip()), _signed(manifest))
        except InvalidSignature:
            raise ArtifactError(
                f"{model}: its signature is not one of the key {key}: do not use it, unless you "
                f"know who wrote it"
            ) from None

    return verify


def _signed(manifest: bytes) -> bytes:
    """Return the bytes that are signed, of a manifest that has the hashes of all other files."""
    return HEAD + hashlib.sha256(manifest).digest()


def _is_signature(path: Path) -> bool:
    return _FORM.fullmatch(_read(path)) is not None


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; expected a PEM file with a key") from error


def _private_key(path: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError) as error:  # the latter where it has a password
        raise _no_key(path, "private", "openssl genpkey -algorithm ed25519 -out KEY") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "private", "openssl genpkey -algorithm ed25519 -out KEY")
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_read(path))
    except ValueError as error:
        raise _no_key(path, "public", "openssl pkey -in KEY -pubout") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path, "public", "openssl pkey -in KEY -pubout")
    return key


def _no_key(path: Path, kind: str, command: str) -> ConfigError:
    return ConfigError(
        f"{path}: it is no PEM file with an ed25519 {kind} key without a password: `{command}` "
        f"writes one"
    )


def _require_package() -> None:
    if find_spec("cryptography") is None:
        raise ConfigError(
            "signatures need the package cryptography, which is not installed: run pip install "
            "'bigru-forecast[sign]'"
        )
