"""A safeguarding broker: who may lawfully be told, field by field, recorded before it is sent."""
