"""Files that other tools of the field read and write, and dossiers: a unit, its texts, and what is said of it.

`neuron_record` is OpenAI's NeuronRecord JSON, `neuronpedia` Neuronpedia's bulk rows, `delphi` EleutherAI's latents
folders. Each has `encode`, from a Dossier to the bytes of files, and `read`, from a file or folder to dossiers; nothing
here knows the store. What a format cannot carry is lost or told in the dossier's notes; each module says which. The
target itself, which no format holds whole, lies beside them in a sidecar file that other readers ignore.

What is read was written by strangers: sizes are bounded, numbers finite, names checked before they become paths, and
nothing is executed. Every failure is an InterchangeError, one line with the file and the field.
"""

from memory.interchange.dossier import Claim, Dossier, Figure, InterchangeError, Moments
from memory.interchange.files import Files, write

__all__ = ["Claim", "Dossier", "Figure", "Files", "InterchangeError", "Moments", "write"]
