"""When a network for column depth is to be believed, measured on structures that it has not seen."""

from __future__ import annotations

import logging
from dataclasses import replace

from torch import nn

from nanonet.data.column_depth import ColumnDepthDataset
from nanonet.records import Calibration, Estimate, InputError, TrainedNetwork
from nanonet.train.card import NetworkCard
from nanonet.train.checkpoint import trained_network

_EPOCHS = 8
"""How often as many images are drawn as the validation has, to calibrate with."""

log = logging.getLogger(__name__)


def trusted(
    card: NetworkCard, network: nn.Module, training: ColumnDepthDataset, validation: ColumnDepthDataset
) -> NetworkCard:
    """Return the card with a calibration and how good it is, and with what frames of the training are like.

    A network that can be told the counts an atom is calibrated without and with that knowledge.
    """
    from nanonet.train.familiarity import fit_familiarity

    ready = trained_network(network, card, "the trained network")
    both = ready.takes_counts_per_atom
    epochs = _EPOCHS // 2 if both else _EPOCHS
    calibration, judged = _comes_true(ready, validation.telling(0.0) if both else validation, epochs)
    card = replace(card, calibration=calibration, metrics=(*card.metrics, *judged))
    if both:
        calibration, judged = _comes_true(ready, validation.telling(1.0), epochs)
        named = (replace(estimate, name=f"{estimate.name}, told") for estimate in judged)
        card = replace(card, told_calibration=calibration, metrics=(*card.metrics, *named))
    try:
        return replace(card, familiarity=fit_familiarity(ready, training, validation))
    except InputError as error:
        log.warning("the network will not know which images are unlike those of its training: %s", error)
    return card


def _comes_true(
    network: TrainedNetwork, dataset: ColumnDepthDataset, epochs: int
) -> tuple[Calibration | None, tuple[Estimate, ...]]:
    """Return the calibration of a network on images of known truth, and how good it is."""
    from nanonet.train.calibration import calibrate, calibration_estimates, measure_posteriors

    try:
        read = measure_posteriors(network, dataset, epochs=epochs)
        return calibrate(read), calibration_estimates(read)
    except InputError as error:
        log.warning("the probabilities of the network stay as it gives them: %s", error)
        return None, ()
