"""What signing a mail costs at the very least: one SHA-256 over it and one RSA-2048 signature, by the library alone.

No sender that signs can take less, so limits that name a multiple of one that does not sign have to be read beside it.
"""

import hashlib
import time
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

TIMES = 1000


def least_ms(message: Path, key: Path) -> float:
    """Milliseconds of processor time for each mail."""
    content = message.read_bytes()
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    scheme, algorithm = padding.PKCS1v15(), hashes.SHA256()
    started = time.process_time()
    for _ in range(TIMES):
        private.sign(hashlib.sha256(content).digest(), scheme, algorithm)
    return round((time.process_time() - started) / TIMES * 1000, 4)
