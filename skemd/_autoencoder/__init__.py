"""The encoder for the chip, and receivers, trained for where the energy is."""

from skemd._autoencoder._emd_decoder import EMDDecoder
from skemd._autoencoder._estimator import EMDAutoencoder

__all__ = ["EMDAutoencoder", "EMDDecoder"]
