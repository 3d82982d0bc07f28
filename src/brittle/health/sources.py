"""Who says so: the sources of the rules."""

AUTOATTACK = "Croce & Hein, ICML 2020, AutoAttack's checks.py"
ROBUSTBENCH = "RobustBench, rules of admission"
INDICATORS = "Pintor et al., NeurIPS 2022, Indicators of Attack Failure"
CHECKLIST = "Carlini et al. 2019, On Evaluating Adversarial Robustness"
SYMPTOM = "Athalye, Carlini, Wagner, ICML 2018, section 3.1"
ATTACKBENCH = "Cinà et al. 2024, AttackBench"
