"""What every attack does, in plain words for whoever is handed a report."""

ATTACK_WORDS = {
    "adef": "bends the image a little, as a lens would, along the direction in which the class changes soonest",
    "alma": "looks for the smallest change by weighing its size against its success, and learns the weight on the way",
    "apgd": "climbs towards other classes in steps that become shorter where nothing is gained",
    "autoattack": "runs attacks of different kinds in turn, each on the images that are still right",
    "bim": "takes small steps in the direction that makes the network most wrong, without leaving the limit",
    "boundary": "starts from an image of another class and walks towards the original; it only sees the class",
    "boundary-descent": "goes to the nearest border between two classes and follows it to where it comes closest",
    "cw-l0": "fixes the pixels that matter least, one after the other, until only those that it needs are changed",
    "cw-l2": "minimises the change and what is lacking to another class at once, over many trials of their weights",
    "cw-linf": "lowers the largest change of any value step by step, as long as the class stays wrong",
    "ddn": "shrinks the allowed change where it succeeds and widens it where it does not, step by step",
    "deepfool": "takes the border to every other class for a straight one and steps over the nearest",
    "fab": "steps to the nearest border between classes while it stays close to the original",
    "fast-ensemble": "runs a few attacks of different kinds, cheap ones first, each on the images that are still right",
    "fgsm": "takes one step of the whole size allowed in the direction that makes the network most wrong; it is weak",
    "fmn": "follows the direction towards another class within a limit that shrinks with every success",
    "hop-skip-jump": "walks along the border between two classes, whose direction it guesses; it only sees the class",
    "jsma": "changes a few values by much, those that raise one class most and lower the others",
    "lbfgs": "minimises the change and the error in favour of a given class at once, as the first such attack did",
    "least-likely": "takes small steps towards the class that the network holds for the least likely one",
    "memetic-ascent": "lets many trials climb at once, mixes the best and goes on with these",
    "nes": "estimates the direction of the steps from the network's scores alone, by trying random ones",
    "noise": "adds random noise; it is no adversary, and an attack that finds no more than it does finds nothing",
    "one-pixel": "changes a few pixels by trial, and keeps what lowers the network's confidence most",
    "patch-ascent": "draws a patch or a frame onto the image and makes its content more telling step by step",
    "pdpgd": "weighs the size of the change against its success, and raises the price of failure as it goes",
    "pgd": "takes many small steps from random starts in the direction that makes the network most wrong",
    "random-direction": "goes along random directions until the class changes; nobody aims, and so it is a yardstick",
    "rotation-translation": "turns and shifts the image, and keeps the mildest move that changes the class",
    "sigma-zero": "looks for the fewest values to change, and takes back those that change little",
    "simba": "tries one direction after the other and keeps what makes the right class less likely",
    "spsa": "estimates the direction of the steps from the network's scores alone, by random changes of all values",
    "square": "changes one square after the other by as much as allowed and keeps what helps; it only sees scores",
    "stadv": "moves the pixels a little, as a flexible sheet would, and looks for the smoothest such move",
    "superdeepfool": "steps over the nearest border as DeepFool does, and then looks for the nearest point of it",
    "support-descent": "chooses which few values or pixels may change, and makes the choice smaller as it goes",
}
"""What an attack does, by the name it is registered under; follows its name, and ends without a full stop."""
SEARCHES = "Its sizes are the smallest changes that it found: a better attack can only find smaller ones."
BOUNDED = "An image that stands withstood this attack at this size, which another attack may still break."


def in_words(name: str, *, searches: bool) -> str:
    """Say in plain words what an attack does, and what its numbers mean.

    Args:
        name: it is registered under; of attacks of others only the second is said.
        searches: whether it looks for the smallest change.

    Example:
        >>> in_words("fgsm", searches=False).partition(".")[0]
        'It takes one step of the whole size allowed in the direction that makes the network most wrong; it is weak'
    """
    does = ATTACK_WORDS.get(name)
    return " ".join([*([f"It {does}."] if does else []), SEARCHES if searches else BOUNDED])
