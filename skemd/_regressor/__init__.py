"""EMDRegressor: a network that learns the earth mover's distance between two wafers."""

from skemd._regressor._estimator import EMDRegressor

__all__ = ["EMDRegressor"]
