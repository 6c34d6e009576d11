"""Every attack that is known of a library, with parameters that make it short."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Radii at which some of the tests' images are fooled and some are not.
RADII = {"inf": 0.03, "2": 0.4, "1": 6.0}
INF, L2, L1 = ({"eps": eps} for eps in RADII.values())
TORCHATTACKS: dict[str, Mapping[str, Any]] = {
    "FGSM": INF,
    "FFGSM": INF | {"alpha": 0.035},
    "BIM": INF | {"alpha": 0.008, "steps": 5},
    "PGD": INF | {"alpha": 0.008, "steps": 5},
    "EOTPGD": INF | {"alpha": 0.008, "steps": 4},
    "RFGSM": INF | {"alpha": 0.008, "steps": 5},
    "TPGD": INF | {"alpha": 0.008, "steps": 5},
    "UPGD": INF | {"alpha": 0.008, "steps": 5},
    "MIFGSM": INF | {"alpha": 0.008, "steps": 5},
    "PGDL2": L2 | {"alpha": 0.1, "steps": 5},
    "APGD": INF | {"steps": 5},
    "APGDT": INF | {"steps": 3},
    "DIFGSM": INF | {"alpha": 0.008, "steps": 3},
    "TIFGSM": INF | {"alpha": 0.008, "steps": 3},
    "NIFGSM": INF | {"alpha": 0.008, "steps": 3},
    "SINIFGSM": INF | {"alpha": 0.008, "steps": 3, "m": 2},
    "VMIFGSM": INF | {"alpha": 0.008, "steps": 3, "N": 2},
    "VNIFGSM": INF | {"alpha": 0.008, "steps": 3, "N": 2},
    "Jitter": INF | {"alpha": 0.008, "steps": 3},
    "PGDRS": INF | {"alpha": 0.008, "steps": 3, "noise_batch_size": 2},
    "PGDRSL2": L2 | {"alpha": 0.1, "steps": 3, "noise_batch_size": 2},
    "PIFGSM": INF | {"num_iter_set": 3},
    "PIFGSMPP": INF | {"num_iter_set": 3},
    "SPSA": INF | {"nb_sample": 8},
    "Square": INF | {"n_queries": 10},
    "FAB": INF | {"steps": 3},
    "AutoAttack": {"eps": 0.2},
    "CW": {"steps": 10},
    "DeepFool": {"steps": 4},
    "EADEN": {"max_iterations": 12, "binary_search_steps": 2},
    "EADL1": {"max_iterations": 12, "binary_search_steps": 2},
    "GN": {"std": 0.2},
    "JSMA": {"gamma": 0.02},
    "OnePixel": {"steps": 2},
    "Pixle": {"max_iterations": 2, "restarts": 2},
    "SparseFool": {"steps": 2},
}
STEP = {"rel_stepsize": 0.25, "steps": 5}
FOOLBOX: dict[str, Mapping[str, Any]] = {
    **{
        f"{prefix}{name}": radius | STEP
        for prefix, radius in {"Linf": INF, "L2": L2, "L1": L1}.items()
        for name in (
            "BasicIterativeAttack",
            "ProjectedGradientDescentAttack",
            "PGD",
            "AdamBasicIterativeAttack",
            "AdamProjectedGradientDescentAttack",
            "AdamPGD",
            "MomentumIterativeFastGradientMethod",
        )
    },
    **dict.fromkeys(("PGD", "AdamPGD", "MIFGSM"), INF | STEP),
    "SparseL1DescentAttack": L1 | {"abs_stepsize": 1.5, "steps": 10},
    "LinfFastGradientAttack": INF,
    "L2FastGradientAttack": L2,
    "L1FastGradientAttack": L1,
    "FGSM": INF,
    "FGM": L2,
    "VirtualAdversarialAttack": L2 | {"steps": 2},
    "L2ContrastReductionAttack": L2,
    **{
        f"L2{clipping}Additive{kind}NoiseAttack": L2
        for clipping in ("", "ClippingAware")
        for kind in ("Gaussian", "Uniform")
    },
    **{
        f"L2{clipping}RepeatedAdditive{kind}NoiseAttack": L2 | {"repeats": 2}
        for clipping in ("", "ClippingAware")
        for kind in ("Gaussian", "Uniform")
    },
    "LinfAdditiveUniformNoiseAttack": INF,
    "LinfRepeatedAdditiveUniformNoiseAttack": INF | {"repeats": 2},
    "L2CarliniWagnerAttack": {"steps": 20, "binary_search_steps": 2, "initial_const": 1.0},
    "DDNAttack": {"steps": 5},
    "EADAttack": {"steps": 12, "binary_search_steps": 2, "initial_const": 1.0},
    "L2DeepFoolAttack": {"steps": 4},
    "LinfDeepFoolAttack": {"steps": 4},
    "NewtonFoolAttack": {"steps": 4},
    **{f"{prefix}FMNAttack": {"steps": 5} for prefix in ("L0", "L1", "L2", "LInf")},
    "BoundaryAttack": {"steps": 5},
    "HopSkipJumpAttack": {"steps": 2, "initial_gradient_eval_steps": 5, "max_gradient_eval_steps": 10},
    "BinarySearchContrastReductionAttack": {"binary_search_steps": 3},
    "LinearSearchContrastReductionAttack": {"steps": 3},
    "LinearSearchBlendedUniformNoiseAttack": {"steps": 3, "directions": 3},
    "GaussianBlurAttack": {"steps": 3},
    "InversionAttack": {},
    "SaltAndPepperNoiseAttack": {"steps": 3},
    "SpatialAttack": {"num_translations": 2, "num_rotations": 2},
}
ADV_LIB: dict[str, Mapping[str, Any]] = {
    "pgd_linf": INF | {"relative_step_size": 0.25, "steps": 5},
    "apgd": INF | {"norm": "inf", "n_iter": 5},
    "apgd_targeted": INF | {"norm": "inf", "n_iter": 3, "num_targets": 2},
    "alma": {"num_steps": 10},
    "carlini_wagner_l2": {"max_iterations": 20, "binary_search_steps": 2, "initial_const": 1.0},
    "carlini_wagner_linf": {"max_iterations": 10, "initial_const": 1.0},
    "ddn": {"steps": 8},
    "df": {"steps": 5},
    "fab": {"norm": "2", "n_iter": 4},
    "fga": {"max_iter": 3},
    "fmn": {"norm": "2", "steps": 8},
    "pdgd": {"num_steps": 10},
    "pdpgd": {"norm": "2", "num_steps": 10},
    "perc_al": {"max_iterations": 5},
    "sdf": {"steps": 3, "df_steps": 3},
    "sigma_zero": {"num_steps": 10},
    "tr": {"iter": 8, "region": 0.1},
    "vfga": {"max_iter": 3},
}
PYAUTOATTACK: dict[str, Mapping[str, Any]] = {
    "apgd-ce": INF | {"n_iter": 5},
    "apgd-dlr": INF | {"n_iter": 5},
    "apgd-t": INF | {"n_iter": 3, "n_target_classes": 3},
    "fab": INF | {"n_iter": 3},
    "fab-t": INF | {"n_iter": 3, "n_target_classes": 3},
    "square": INF | {"n_queries": 10},
    "standard": {"eps": 0.2},
    "plus": {"eps": 0.2},
}
STEPS = {"eps_step": 0.008, "max_iter": 5}
ART: dict[str, Mapping[str, Any]] = {
    "FastGradientMethod": INF,
    "BasicIterativeMethod": INF | STEPS,
    "MomentumIterativeMethod": INF | STEPS,
    "ProjectedGradientDescent": INF | STEPS,
    "ProjectedGradientDescentNumpy": INF | STEPS,
    "ProjectedGradientDescentPyTorch": INF | STEPS,
    "AutoProjectedGradientDescent": INF | STEPS | {"nb_random_init": 1},
    "AutoConjugateGradient": INF | STEPS | {"nb_random_init": 1},
    "RescalingAutoConjugateGradient": INF | STEPS | {"nb_random_init": 1},
    "SquareAttack": INF | {"max_iter": 5},
    "UniversalPerturbation": INF | {"max_iter": 1, "attacker": "fgsm"},
    "CarliniL0Method": {"max_iter": 2, "binary_search_steps": 1},
    "CarliniL2Method": {"initial_const": 10.0, "max_iter": 5, "binary_search_steps": 2, "learning_rate": 0.1},
    "CarliniLInfMethod": {"max_iter": 2, "initial_const": 1.0},
    "DeepFool": {"max_iter": 4},
    "ElasticNet": {"max_iter": 5, "binary_search_steps": 2, "initial_const": 10.0, "learning_rate": 0.1},
    "NewtonFool": {"max_iter": 4},
    "BoundaryAttack": {"max_iter": 2, "init_size": 20, "num_trial": 2, "sample_size": 5},
    "HopSkipJump": {"max_iter": 1, "max_eval": 10, "init_eval": 5},
    "SignOPTAttack": {"max_iter": 1, "query_limit": 50, "num_trial": 3, "k": 3},
    "SaliencyMapMethod": {"gamma": 0.05},
    "PixelAttack": {"max_iter": 1, "th": 5},
    "SpatialTransformation": {"max_translation": 10.0, "num_translations": 2},
}
#: By library and name, those apart that take seconds on a few small images, and cannot be made shorter.
ATTACKS: dict[str, dict[str, Any]] = {
    f"{library}:{name}": {"attack": f"{library}:{name}", **given}
    for library, attacks in (
        ("torchattacks", TORCHATTACKS),
        ("foolbox", FOOLBOX),
        ("adv_lib", ADV_LIB),
        ("pyautoattack", PYAUTOATTACK),
        ("art", ART),
    )
    for name, given in attacks.items()
}
SLOW: dict[str, dict[str, Any]] = {
    "foolbox:L0BrendelBethgeAttack": {},
    "foolbox:L1BrendelBethgeAttack": {},
    "foolbox:L2BrendelBethgeAttack": {},
    "foolbox:LinfinityBrendelBethgeAttack": {},
    "pyautoattack:rand": {"eps": 0.1},
}
