"""Processes of tests start without what Keras can do without, and get it later."""

import sys

from keras.src.trainers.data_adapters import array_slicing
from keras.src.wrappers import sklearn_wrapper


def test_keras_has_been_imported_without_them() -> None:
    assert array_slicing.pandas is None
    assert sklearn_wrapper.sklearn is None


def test_they_can_be_imported_afterwards() -> None:
    import pandas
    import sklearn

    assert {pandas.__name__, sklearn.__name__} <= sys.modules.keys()
