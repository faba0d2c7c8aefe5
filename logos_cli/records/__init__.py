"""Records: a sentence with its provenance, one JSON object a line."""

from logos_cli.records.parts import Sample as Sample
from logos_cli.records.parts import Score as Score
from logos_cli.records.parts import Scores as Scores
from logos_cli.records.parts import Source as Source
from logos_cli.records.record import SCHEMA as SCHEMA
from logos_cli.records.record import Record as Record
from logos_cli.records.record import Status as Status
from logos_cli.records.record import read_records as read_records
from logos_cli.records.record import write_records as write_records
