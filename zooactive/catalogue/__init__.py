"""Galaxies: tables of ids, votes and images, and how they are read, split, combined and packed into shards."""

from __future__ import annotations

from zooactive.catalogue.catalogue import Catalogue
from zooactive.catalogue.class_rules import ClassRule, list_rules, load_rule
from zooactive.catalogue.preprocessing import Preprocessing
from zooactive.catalogue.reading import read_catalogue
from zooactive.catalogue.surveys import combine_catalogues

__all__ = ["Catalogue", "ClassRule", "Preprocessing", "combine_catalogues", "list_rules", "load_rule", "read_catalogue"]
