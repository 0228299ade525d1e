/// Dates without Foundation: the one format that the log needs.

/// A moment as ISO 8601 shows it.
enum UTCTime {
    /// `2026-02-28T23:59:59.999Z` for milliseconds since 1970; years 0 to 9999.
    static func text(milliseconds: Int64) -> String {
        let day = floorDivide(milliseconds, by: 86_400_000)
        let rest = milliseconds - day * 86_400_000
        let (year, month, date) = civil(day: day)
        let seconds = rest / 1000
        return "\(pad(year, 4))-\(pad(month, 2))-\(pad(date, 2))T\(pad(seconds / 3600, 2))"
            + ":\(pad(seconds / 60 % 60, 2)):\(pad(seconds % 60, 2)).\(pad(rest % 1000, 3))Z"
    }

    /// Days since 1970 to the Gregorian date. The year is taken to begin in March, so that the leap day is its last,
    /// and eras of 400 years repeat (Howard Hinnant, chrono-compatible low-level date algorithms, `civil_from_days`).
    private static func civil(day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = day + 719_468
        let era = floorDivide(shifted, by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let date = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, date)
    }

    private static func floorDivide(_ value: Int64, by divisor: Int64) -> Int64 {
        value >= 0 ? value / divisor : (value - divisor + 1) / divisor
    }

    private static func pad(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
