"""The desks of the office: what people do to rules, to the registry of people, to what is kept.

Each act is one durable transaction of a named person.
"""
