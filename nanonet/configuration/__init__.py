"""Find, compose, check and build configs: the only caller of Hydra's instantiate.

Each command has a folder of configs of its own (configs/infer, configs/train, configs/simulate), whose
config.yaml is its root. A node with a ``_target_`` names a public function or class; its other keys are that
target's keywords. Configs come from strangers: only targets of trusted packages are called.
"""

from nanonet.configuration.compose import compose, config_folder, options
from nanonet.configuration.targets import build, check, locate

__all__ = ["build", "check", "compose", "config_folder", "locate", "options"]
