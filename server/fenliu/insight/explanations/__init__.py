"""Decisions in words, Chinese and English. Knows what may be found, and no rule by which it is."""

from fenliu.insight.explanations.catalogue import Catalogue
from fenliu.insight.explanations.chinese import CHINESE
from fenliu.insight.explanations.english import ENGLISH
from fenliu.insight.explanations.sentences import Sentences
from fenliu.v1 import types_pb2

CATALOGUES = {types_pb2.LANGUAGE_CHINESE: CHINESE, types_pb2.LANGUAGE_ENGLISH: ENGLISH}

__all__ = ["CATALOGUES", "Catalogue", "Sentences"]
