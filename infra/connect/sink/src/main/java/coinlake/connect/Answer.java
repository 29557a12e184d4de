package coinlake.connect;

import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What the client's error says of the rows that were sent.
 *
 * <p>QuestDB opens its answer with the same words whether a row is at fault or its own disk is full, and repeats values
 * of the rows in it. So only the HTTP status counts, with which the client ends its message; and only where nothing of a
 * row can stand, the words of a table that is not there.
 */
final class Answer {
    private static final Pattern STATUS = Pattern.compile(" \\[http-status=(\\d{3})(?:, [^\\[\\]]*)?]$");
    /** A row cannot be read or is no row of the table; a row is too long. */
    private static final Set<String> OF_ROWS = Set.of("400", "413");

    private final Pattern noTable;

    Answer(String table) {
        noTable = Pattern.compile(
            "Could not flush buffer: failed to parse line protocol:errors encountered on line\\(s\\):(?:\\\\n|\\s)*"
                + "error in line \\d+: table: " + Pattern.quote(table)
                + "; table does not exist(?:, creating new tables is disabled)?" + STATUS);
    }

    /** Tells whether QuestDB has read the request and found a row that it cannot take; a missing table is no row's fault. */
    boolean refusesRows(Exception error) {
        String said = String.valueOf(error.getMessage());
        Matcher status = STATUS.matcher(said);
        return status.find() && OF_ROWS.contains(status.group(1)) && !noTable.matcher(said).matches();
    }
}
