"""The evaluation of a trained model: scores, calibration and rejection on signers that it has not seen."""
