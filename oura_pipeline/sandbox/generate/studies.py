"""What studies found of sleep, hearts and habits, in the units of Oura's documents."""

from __future__ import annotations

# Of a constant without a source we know no study: it is chosen so that it looks like life.

# Umetani et al. 1998, J Am Coll Cardiol: RMSSD (ms) falls with age. Of the middle of each decade;
# their standard deviations are about a third of it.
RMSSD_BY_AGE: tuple[tuple[int, float], ...] = ((25, 43), (35, 35), (45, 31), (55, 25), (65, 22))
RMSSD_SPREAD = 0.33
# Altini & Plews 2021, Sensors: HRV hardly depends on sex or on how active somebody is, heart rate
# does on both.
RMSSD_OF_FITNESS = 0.06

# Quer et al. 2020, PLoS One: the resting heart rate of 92,457 adults was 65.5 ± 7.7 bpm, higher in
# women, and about two bpm higher in January than in July. Asleep it is some bpm lower.
HEART_ASLEEP, HEART_OF_WOMEN, HEART_OF_FITNESS, HEART_SPREAD = 56.5, 3.0, -3.0, 4.0
HEART_IN_WINTER = 1.0

# Ben-Dov et al. 2007, Arch Intern Med: below 10 % the nocturnal dip of the heart rate is blunted;
# O'Brien et al. 1988, Lancet, drew the same line for blood pressure, and 20 % is its other end.
DIP, DIP_SPREAD = 0.12, 0.012

# Ohayon et al. 2004, Sleep, a meta-analysis over the ages: every ten years of adult life take about
# ten minutes of sleep, a share of 2 % of deep sleep, and add about ten minutes awake.
SLEEP_HOURS, SLEEP_HOURS_SPREAD, SLEEP_HOURS_A_DECADE = 7.5, 0.4, -0.16
DEEP_SHARE, DEEP_SHARE_A_DECADE, REM_SHARE = 0.19, -0.02, 0.225
AWAKE_MINUTES, AWAKE_MINUTES_A_DECADE = 22.0, 9.0

# Roenneberg et al. 2007, Sleep Med Rev: the middle of sleep on free days lies between 4 and 5 for
# most, later for the young. Wittmann et al. 2006, Chronobiol Int: working days come too early, and
# Roenneberg et al. 2012, Curr Biol: by an hour or more for two people in three.
MID_SLEEP, MID_SLEEP_SPREAD, MID_SLEEP_A_DECADE = 4.5, 0.8, -0.25

# Feinberg & Floyd 1979, Psychophysiology: cycles of 90 to 100 minutes, deep sleep mostly in the
# first ones and REM in the last. Shares of a night's whole in each cycle.
CYCLE_MINUTES, FIRST_CYCLE_MINUTES = 96.0, 85.0
DEEP_BY_CYCLE = (0.42, 0.29, 0.17, 0.08, 0.03, 0.01)
REM_BY_CYCLE = (0.07, 0.16, 0.22, 0.27, 0.28, 0.28)

# Pietilä et al. 2018, JMIR Ment Health: in the first three hours of sleep, doses of up to 0.25, up
# to 0.75 and above 0.75 g/kg raised the heart rate by 1.4, 4.0 and 8.7 bpm and lowered RMSSD by
# 2.0, 5.7 and 12.9 ms. Both grow with the dose; of g/kg, the second as a share.
ALCOHOL_HEART, ALCOHOL_RMSSD = 9.0, 0.34
# Ebrahim et al. 2013, Alcohol Clin Exp Res: more deep and less REM sleep in the first half of the
# night. Per g/kg.
ALCOHOL_DEEP, ALCOHOL_REM = 0.3, 0.7

# Karjalainen & Viitasalo 1986, Arch Intern Med: 8.5 bpm per °C of fever. Altini & Plews 2021: HRV
# is about a tenth lower in sickness. Monto & Sullivan 1993, Epidemiol Infect: about two respiratory
# illnesses a year. Smarr et al. 2020, Sci Rep: a ring sees the fever.
FEVER_HEART, FEVER_RMSSD, ILLNESSES_A_YEAR = 8.5, 0.2, 2.5

# Altini & Plews 2021: the day after hard training, and the luteal phase against the follicular.
TRAINING_HEART, TRAINING_RMSSD = 0.013, 0.046
LUTEAL_HEART, LUTEAL_RMSSD = 0.016, 0.032
# Maijala et al. 2019, BMC Womens Health: 0.30 °C between the phases on the finger, asleep; Shilaih
# et al. 2018, Biosci Rep, found the same shape at the wrist. Bull et al. 2019, npj Digit Med:
# cycles of 29.3 days, 12.4 of them luteal.
LUTEAL_TEMPERATURE, CYCLE_DAYS, LUTEAL_DAYS = 0.30, 29.3, 12.4

# Kräuchi et al. 2002, J Biol Rhythms: a late meal keeps heart rate and temperature up; bpm.
LATE_MEAL_HEART = 2.0
# Waterhouse et al. 2007, Lancet: a clock inside moves on by about an hour a day after a flight.
HOURS_RECOVERED_A_DAY = 1.0

# Ainsworth et al. 2011, Med Sci Sports Exerc: MET; Tudor-Locke et al. 2011, Int J Behav Nutr Phys
# Act: about 100 steps a minute of moderate walking. Of each sport: MET, steps a minute, metres a
# second (none where there is no distance), and the share of the heart-rate reserve in use.
SPORTS: dict[str, tuple[float, float, float | None, float]] = {
    "running": (9.8, 160, 2.7, 0.72),
    "cycling": (7.5, 4, 5.8, 0.62),
    "strength_training": (5.0, 20, None, 0.5),
    "swimming": (6.0, 0, 0.6, 0.58),
    "yoga": (2.8, 4, None, 0.28),
    "hiking": (5.3, 95, 1.1, 0.5),
    "walking": (3.5, 105, 1.35, 0.32),
}
# Tanaka et al. 2001, J Am Coll Cardiol: the highest heart rate by age.
HIGHEST_HEART, HIGHEST_HEART_A_YEAR = 208.0, -0.7
# Kaminsky et al. 2015, Mayo Clin Proc (FRIEND): VO2 max on a treadmill in the twenties, of men and
# women, and about a tenth of it less per decade; ml/kg/min.
VO2_MAX_OF_MEN, VO2_MAX_OF_WOMEN, VO2_MAX_A_DECADE, VO2_MAX_SPREAD = 47.6, 37.6, -4.4, 6.0

# Oura estimates the vascular age from the nights of the past 30 days, 14 of them at least
# (support.ouraring.com, Cardiovascular Age). So do we, and the VO2 max, which training changes over
# weeks: neither moves from one day to the next. Years per standard deviation of a month's strain;
# ml/kg/min of twice the usual training.
SLOW_DAYS, VASCULAR_YEARS, VO2_MAX_OF_TRAINING = 30, 3.0, 3.0
