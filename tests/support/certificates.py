"""Self-made certificates for servers in tests, by the openssl command."""

import ssl
import subprocess
from pathlib import Path


def make(folder: Path, names: str = "DNS:localhost,IP:127.0.0.1") -> tuple[Path, Path]:
    """A self-signed certificate and its key, for the names of a subjectAltName."""
    certificate, key = folder / "server.crt", folder / "server.key"
    extensions = [f"subjectAltName={names}", "keyUsage=critical,digitalSignature,keyCertSign"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=smtpserver", "-out", str(certificate), "-keyout", str(key)]
    for extension in extensions:
        command += ["-addext", extension]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context
