"""The temperature and the shift of labels under the name that they had; they live in `zooactive.training.calibrate`."""

from __future__ import annotations

from zooactive.posterior.corrections import prior_shift as prior_shift
from zooactive.training.calibrate.temperature import COLDEST as COLDEST
from zooactive.training.calibrate.temperature import HOTTEST as HOTTEST
from zooactive.training.calibrate.temperature import fit_temperature as fit_temperature
