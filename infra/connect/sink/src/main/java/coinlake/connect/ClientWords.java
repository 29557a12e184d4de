package coinlake.connect;

import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.types.Password;

/**
 * Refuses words for the client that it would take for others: http::name=value;name=value; each ended by a semicolon.
 *
 * <p>The client passes over a name that it does not know, so half a password with a semicolon in it would be sent to
 * QuestDB, which takes no rows then for as long as the task runs.
 */
final class ClientWords {
    private static final Set<String> KNOWN = Set.of(
        "addr", "username", "password", "token", "protocol_version",
        "request_timeout", "request_min_throughput", "retry_timeout", "init_buf_size", "max_buf_size",
        "tls_verify", "tls_roots", "tls_roots_password");
    private static final Pattern WHOLE = Pattern.compile("https?::(?:[^;=]*=(?:[^;]|;;)*;(?!;))+", Pattern.DOTALL);
    private static final Pattern WORD = Pattern.compile("([^;=]*)=(?:[^;]|;;)*;", Pattern.DOTALL);

    private ClientWords() {}

    /** Refuses them as a validator of Kafka's options; what is said of them holds no part of them, for a password is one. */
    static void check(String name, Object found) {
        String words = found instanceof Password password ? password.value() : "";
        if (!WHOLE.matcher(words).matches()) {
            throw new ConfigException(name + ": expected http::NAME=VALUE;NAME=VALUE; with a semicolon after the last one too,"
                + " and in a value, as a password, none that is not doubled");
        }
        Matcher word = WORD.matcher(words);
        word.region(words.indexOf("::") + 2, words.length());
        while (word.lookingAt()) {
            if (!KNOWN.contains(word.group(1))) {
                throw new ConfigException(name + ": expected names of " + String.join(", ", KNOWN.stream().sorted().toList())
                    + ", found another one, or a value, as a password, with a semicolon that is not doubled");
            }
            word.region(word.end(), words.length());
        }
    }
}
