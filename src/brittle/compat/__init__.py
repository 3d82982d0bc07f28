"""The call shapes of other libraries, with brittle underneath: one file for each library.

`brittle.compat.foolbox`, `.torchattacks`, `.art` and `.autoattack` hold the attacks that are used most, under the names
and with the defaults that they have there, so that a script runs after its import line is changed. None of the
libraries has to be installed. An argument that brittle has no place for is refused, with what to write instead.

What is other than there, in all of them:

- an attack at a given radius returns the point of its path that is worst for the network, where the libraries return
  the last one;
- random numbers come from a seed and the position of an image, never from the global random state: the first call of
  a wrapper draws with seed 0 (or the `seed` that its library lets one give), the second with the next one;
- the network is left as it was found, images outside the box and images that look normalised are refused, nothing is
  printed.
"""
