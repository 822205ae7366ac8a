"""Responses tables of any form, checked and made into one."""
