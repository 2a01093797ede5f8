"""Distances and directions on the earth, good to what a position is good for.

Pure arithmetic on a sphere (error below 0.6 %): no IO, no clock, no state.
"""

from __future__ import annotations

import math

UNKNOWN_ACCURACY_M = 50.0  # what a position without a told accuracy is taken for, 95 %
EARTH_RADIUS_M = 6_371_008.8  # mean radius, IUGG 1980


def distance_m(lat1_deg: float, lon1_deg: float, lat2_deg: float, lon2_deg: float) -> float:
    """Great-circle distance in metres (haversine: exact for small distances and across the date line)."""
    lat1, lat2 = math.radians(lat1_deg), math.radians(lat2_deg)
    half_lat = math.sin((lat2 - lat1) / 2)
    half_lon = math.sin(math.radians(lon2_deg - lon1_deg) / 2)
    h = half_lat * half_lat + math.cos(lat1) * math.cos(lat2) * half_lon * half_lon
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, h)))


def bearing_deg(lat1_deg: float, lon1_deg: float, lat2_deg: float, lon2_deg: float) -> float:
    """Direction in which the second point lies, seen from the first: degrees clockwise from north, 0 up to 360; 0 for the same point."""
    lat1, lat2, turned = math.radians(lat1_deg), math.radians(lat2_deg), math.radians(lon2_deg - lon1_deg)
    east = math.sin(turned) * math.cos(lat2)
    north = math.cos(lat1) * math.sin(lat2) - math.sin(lat1) * math.cos(lat2) * math.cos(turned)
    return math.degrees(math.atan2(east, north)) % 360.0


def turn_deg(from_deg: float, to_deg: float) -> float:
    """Smallest angle between two directions, 0 to 180 degrees, whatever side of north they are on."""
    return abs(east_deg(from_deg, to_deg))


def east_deg(from_deg: float, to_deg: float) -> float:
    """How far east the second longitude is of the first, -180 to 180 degrees: the short way, across the date line too."""
    return (to_deg - from_deg + 180.0) % 360.0 - 180.0
