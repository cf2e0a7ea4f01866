"""EMDAutoencoder: the encoder for the chip, trained for where the energy is."""

from skemd._autoencoder._estimator import EMDAutoencoder

__all__ = ["EMDAutoencoder"]
