"""The noise rate of an adversarial image: 1 - SSIM(clean, adversarial).

SSIM is scikit-image's default: a 7 x 7 uniform window, sample covariance, the valid region only, the mean over
channels, data range 1 (Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity").
"""

from torch import Tensor

from pytest_robustness.errors import RobustnessError

WINDOW = 7
C1, C2 = 0.01**2, 0.03**2
SAMPLE = WINDOW**2 / (WINDOW**2 - 1)  # population to sample covariance


def noise_rate(clean: Tensor, adversarial: Tensor) -> Tensor:
    """Return 1 - SSIM of each image, in double precision. In single precision, variances cancel to errors of 1e-5.

    SSIM is a product of a luminance and a structure term, (1 - a)(1 - b), so 1 - SSIM = a + b - ab. Here a and b are
    built from the perturbation itself, so that nothing cancels when it is tiny.

    Args:
        clean: (N, C, H, W) in [0, 1], H and W at least 7.
        adversarial: the same shape.

    Returns:
        (N,) float64 in [0, 2].

    Raises:
        RobustnessError: for images smaller than the window.
    """
    if min(clean.shape[-2:]) < WINDOW:
        raise RobustnessError(f"images of {clean.shape[-2]} x {clean.shape[-1]} are smaller than SSIM's 7 x 7 window")
    clean = clean.double()
    perturbation = adversarial.double() - clean
    mean_x, mean_d = _window_mean(clean), _window_mean(perturbation)
    var_x = (_window_mean(clean.square()) - mean_x.square()) * SAMPLE
    var_d = (_window_mean(perturbation.square()) - mean_d.square()) * SAMPLE
    cov_xd = (_window_mean(clean * perturbation) - mean_x * mean_d) * SAMPLE
    mean_y, var_y = mean_x + mean_d, var_x + 2 * cov_xd + var_d
    luminance = mean_d.square() / (mean_x.square() + mean_y.square() + C1)
    structure = var_d / (var_x + var_y + C2)
    return (luminance + structure - luminance * structure).mean((1, 2, 3))


def _window_mean(values: Tensor) -> Tensor:
    """Return the mean over each window of the valid region, by shifted sums: ten times faster than pooling on a CPU."""
    for axis in (-1, -2):
        size = values.shape[axis]
        pairs = values.narrow(axis, 0, size - 1) + values.narrow(axis, 1, size - 1)
        fours = pairs.narrow(axis, 0, size - 3) + pairs.narrow(axis, 2, size - 3)
        values = fours.narrow(axis, 0, size - 6) + pairs.narrow(axis, 4, size - 6) + values.narrow(axis, 6, size - 6)
    return values / WINDOW**2
