import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.ConsentsApi;
import org.openapitools.client.api.FollowUpsApi;
import org.openapitools.client.api.PatientsApi;
import org.openapitools.client.api.ReferralsApi;
import org.openapitools.client.api.ServicesApi;
import org.openapitools.client.api.TokensApi;
import org.openapitools.client.model.ConsentInput;
import org.openapitools.client.model.FollowUpResult;
import org.openapitools.client.model.PatientInput;
import org.openapitools.client.model.ReferralInput;
import org.openapitools.client.model.ServiceQuery;
import org.openapitools.client.model.TransitionInput;

/** The loop through the client that openapi-generator makes for Java: from a person to an outcome. */
public final class Loop {
  private static JsonNode demo;

  private static JsonNode role(String name) {
    for (JsonNode client : demo.get("clients")) {
      if (client.get("role").asText().equals(name)) {
        return client;
      }
    }
    throw new IllegalArgumentException(name);
  }

  private static ApiClient login(String name) throws ApiException {
    JsonNode role = role(name);
    ApiClient client = new ApiClient();
    client.updateBaseUri(demo.get("base_url").asText());
    var token = new TokensApi(client).createToken("client_credentials", null, role.get("client_id").asText(), role.get("client_secret").asText());
    client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + token.getAccessToken()));
    return client;
  }

  private static <T> T body(String json, Class<T> shape) throws Exception {
    return ApiClient.createDefaultObjectMapper().readValue(json.replace('\'', '"'), shape);
  }

  private static void check(boolean holds, Object found) {
    if (!holds) {
      throw new AssertionError(String.valueOf(found));
    }
  }

  public static void main(String[] arguments) throws Exception {
    demo = new ObjectMapper().readTree(Path.of(arguments[0]).toFile());
    ApiClient clinic = login("clinic");
    ApiClient program = login("link_worker_program");
    ReferralsApi asClinic = new ReferralsApi(clinic);
    ReferralsApi asProgram = new ReferralsApi(program);

    var person = body("{ 'names': [{ 'given': 'Noor', 'family': 'Haddad' }], 'birth_date': '1960-12-01' }", PatientInput.class);
    UUID patient = new PatientsApi(clinic).createPatient(person, null, null).getId();
    var consent = "{ 'patient_id': '" + patient + "', 'grantee_id': '" + role("link_worker_program").get("organization_id").asText()
        + "', 'purposes': ['referral', 'care_coordination'], 'categories': ['summary', 'referrals', 'follow_ups'], 'form': 'verbal' }";
    new ConsentsApi(clinic).createConsent(body(consent, ConsentInput.class), null, null);
    var query = body("{ 'q': 'social prescribing', 'kind': ['program'] }", ServiceQuery.class);
    UUID service = new ServicesApi(clinic).searchServices(query).getItems().get(0).getId();
    var wanted = "{ 'patient_id': '" + patient + "', 'kind': 'navigation', 'service_id': '" + service + "', 'source_type': 'family_physician' }";
    UUID referral = asClinic.createReferral(body(wanted, ReferralInput.class), null, null, null).getId();
    asProgram.createReferralTransition(referral, body("{ 'status': 'accepted' }", TransitionInput.class), null, null, null);
    FollowUpsApi followUps = new FollowUpsApi(program);
    UUID due = followUps.listFollowUps(null, null, referral, null, List.of("open"), null, null, null, null, null, null, null).getItems().get(0).getId();
    var result = body("{ 'utilisation': 'regular', 'attended': true, 'change': 'better', 'need_met': 'yes' }", FollowUpResult.class);
    followUps.completeFollowUp(due, null, null, null, result);
    asProgram.createReferralTransition(referral, body("{ 'status': 'completed', 'outcome': 'need_met' }", TransitionInput.class), null, null, null);
    var outcome = asClinic.getReferral(referral);
    check(outcome.getStatus().getValue().equals("completed"), outcome);
    check(outcome.getOutcome().getValue().equals("need_met"), outcome);
    try {
      new PatientsApi(clinic).getPatient(UUID.randomUUID(), null);
      throw new AssertionError("nobody was found");
    } catch (ApiException refused) {
      check(refused.getCode() == 404, refused);
    }
    System.out.println("the loop was walked with openapi-generator's Java client");
  }
}
