"""The angular frequencies of rotary embeddings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from logos_cli.checkpoints.config import DecoderConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def inverse_frequencies(config: DecoderConfig) -> NDArray[np.float32]:
    """Return the angular frequencies of the rotary embedding, shape (head_dim / 2,).

    ``llama3`` stretches long wavelengths by ``factor`` and leaves short ones unchanged, with a smooth transition
    (Llama 3.1).
    """
    import numpy as np

    rope = config.rope
    exponent = np.arange(0, config.head_dim, 2, dtype=np.float32) / np.float32(config.head_dim)
    frequencies: NDArray[np.float32] = np.float32(1) / np.float32(rope["rope_theta"]) ** exponent
    if rope["rope_type"] == "default":
        return frequencies
    factor = np.float32(rope["factor"])
    if rope["rope_type"] == "linear":
        frequencies /= factor
        return frequencies
    low, high = np.float32(rope["low_freq_factor"]), np.float32(rope["high_freq_factor"])
    turns = np.float32(rope["original_max_position_embeddings"]) * frequencies / np.float32(2 * math.pi)
    smooth = ((turns - low) / (high - low)).clip(0, 1)
    stretched: NDArray[np.float32] = frequencies / factor * (1 - smooth) + frequencies * smooth
    return stretched


def angles(config: DecoderConfig, n_positions: int) -> NDArray[np.float32]:
    """Return the angles of all positions, shape (n_positions, head_dim / 2)."""
    import numpy as np

    table: NDArray[np.float32] = np.outer(np.arange(n_positions, dtype=np.float32), inverse_frequencies(config))
    return table
