"""Metrics as people call them, whom nobody checks shapes for."""

import jaxtyping
import pytest


@pytest.fixture
def unchecked():
    """Shapes are not checked by their annotations."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
