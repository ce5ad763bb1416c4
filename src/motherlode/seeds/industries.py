"""The paper's 21 industries as domains that can be named: one sentence each, which the prompt shows to the model."""

from __future__ import annotations

from motherlode.seeds.template import INDUSTRIES

DEFINITIONS: dict[str, str] = {
    "media & entertainment": (
        "Making, publishing and showing films, music, news, books, broadcasts and live events, and the business of "
        "audiences, rights and advertising around them."
    ),
    "financial services": (
        "Banking, insurance, lending, payments, investment and accounting: moving, keeping and pricing money and risk "
        "for people and firms."
    ),
    "sports": (
        "Athletes, teams, competitions, coaching, venues and fans, from amateur clubs to professional leagues, and "
        "the trade that lives on them."
    ),
    "public sector": (
        "Government at every level and what it runs for everyone: administration, defence, policing, public works, "
        "social programmes and their budgets."
    ),
    "education": (
        "Teaching and learning in schools, universities, workplaces and online, with curricula, examinations, "
        "teachers, pupils and the institutions behind them."
    ),
    "gaming": (
        "Video games and other interactive play: designing, building, publishing, streaming and playing them, alone, "
        "together or in competition."
    ),
    "retail": (
        "Selling goods to the people who use them, in shops and online: assortment, pricing, stock, service, returns "
        "and the flow of customers."
    ),
    "software & internet": (
        "Writing, running and selling software and online services, from code and infrastructure to security, data "
        "and platforms."
    ),
    "travel & hospitality": (
        "Taking people to places and hosting them there: airlines, hotels, restaurants, tours, bookings and guests."
    ),
    "agriculture": (
        "Growing crops and raising animals, forests and fish, with soil, weather, machinery, pests, harvests and the "
        "markets for what is grown."
    ),
    "utilities": (
        "Supplying homes and firms with electricity, gas, water, heat and waste collection over networks, under "
        "regulation and with metered customers."
    ),
    "healthcare & life sciences": (
        "Preventing, diagnosing and treating illness, caring for patients, and the biology, drugs, devices and trials "
        "that make it possible."
    ),
    "real estate & construction": (
        "Planning, building, financing, letting, selling and maintaining homes, offices and other structures, and the "
        "land that they stand on."
    ),
    "manufacturing": (
        "Turning materials into products in factories: machines, processes, quality, supply of parts, safety and the "
        "people on the line."
    ),
    "telecommunications": (
        "Carrying voice and data over mobile, fixed and satellite networks: spectrum, equipment, coverage, tariffs "
        "and subscribers."
    ),
    "automotive": (
        "Designing, building, selling, repairing and driving cars, lorries and motorcycles, with their engines, "
        "batteries, parts and dealers."
    ),
    "services": (
        "Work done for others rather than goods made: consulting, staffing, cleaning, repair, personal care, events "
        "and other help for hire."
    ),
    "consumer goods": (
        "Branded things that households buy and use up or wear out, such as food, cosmetics, clothing, appliances and "
        "toys, from development to the shelf."
    ),
    "transportation & logistics": (
        "Moving people and freight by road, rail, sea and air, with warehouses, routes, fleets, customs and the "
        "timing of it all."
    ),
    "law": (
        "Statutes, courts, contracts, rights and disputes, and the work of lawyers, judges and clerks who apply them."
    ),
    "energy": (
        "Finding, producing, storing and trading oil, gas, coal, nuclear, wind, solar and other energy, and the shift "
        "from one to another."
    ),
}
assert tuple(DEFINITIONS) == INDUSTRIES


def find_industry(name: str) -> str | None:
    """Return the built-in domain of a name, whatever its case and with `and` for `&`; None if there is none."""
    wanted = " ".join(name.casefold().replace(" and ", " & ").split())
    return wanted if wanted in DEFINITIONS else None
