"""The text of Planet's XML metadata with gaps for what differs; its structure is that of a real file."""

METADATA = """\
<?xml version="1.0" encoding="UTF-8"?>
<ps:EarthObservation
  xsi:schemaLocation="http://schemas.planet.com/ps/v1/planet_product_metadata_$level
    http://schemas.planet.com/ps/v1/planet_product_metadata_$level.xsd"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xmlns:xs="http://www.w3.org/2001/XMLSchema"
  xmlns:xlink="http://www.w3.org/1999/xlink"
  xmlns:opt="http://earth.esa.int/opt"
  xmlns:gml="http://www.opengis.net/gml"
  xmlns:eop="http://earth.esa.int/eop"
  version="1.2.1"
  planet_standard_product_version="1.0"
  xmlns:ps="http://schemas.planet.com/ps/v1/planet_product_metadata_$level">
  <gml:metaDataProperty>
    <ps:EarthObservationMetaData>
      <eop:identifier>$identifier</eop:identifier>
      <eop:acquisitionType>NOMINAL</eop:acquisitionType>
      <eop:productType>$product_type</eop:productType>
      <eop:status>ARCHIVED</eop:status>
      <eop:downlinkedTo>
        <eop:DownlinkInformation>
          <eop:acquisitionStation
            codeSpace="urn:eop:PS:stationLocation">Planet Ground Station Network</eop:acquisitionStation>
          <eop:acquisitionDate>$time</eop:acquisitionDate>
        </eop:DownlinkInformation>
      </eop:downlinkedTo>
      <eop:archivedIn>
        <eop:ArchivingInformation>
          <eop:archivingCenter codeSpace="urn:eop:PS:stationLocation">Planet Archive Center</eop:archivingCenter>
          <eop:archivingDate>$time</eop:archivingDate>
          <eop:archivingIdentifier codeSpace="urn:eop:PS:dmsCatalogueId">$strip</eop:archivingIdentifier>
        </eop:ArchivingInformation>
      </eop:archivedIn>
      <eop:processing>
        <eop:ProcessingInformation>
          <eop:processorName>CMO Processor</eop:processorName>
          <eop:processorVersion>$version</eop:processorVersion>
          <eop:nativeProductFormat>GeoTIFF</eop:nativeProductFormat>
        </eop:ProcessingInformation>
      </eop:processing>
      <ps:license>
        <ps:licenseType>20160101 - Inc - Single User</ps:licenseType>
        <ps:resourceLink xlink:title="PL EULA" xlink:href="https://assets.planet.com/docs/20160101_Inc_SingleUser.txt"/>
      </ps:license>
      <ps:versionIsd>1.0</ps:versionIsd>
      <ps:pixelFormat>16U</ps:pixelFormat>
    </ps:EarthObservationMetaData>
  </gml:metaDataProperty>
  <gml:validTime>
    <gml:TimePeriod>
      <gml:beginPosition>$time</gml:beginPosition>
      <gml:endPosition>$time</gml:endPosition>
    </gml:TimePeriod>
  </gml:validTime>
  <gml:using>
    <eop:EarthObservationEquipment>
      <eop:platform>
        <eop:Platform>
          <eop:shortName>PlanetScope</eop:shortName>
          <eop:serialIdentifier>$satellite</eop:serialIdentifier>
          <eop:orbitType>LEO-SSO</eop:orbitType>
        </eop:Platform>
      </eop:platform>
      <eop:instrument>
        <eop:Instrument>
          <eop:shortName>$instrument</eop:shortName>
        </eop:Instrument>
      </eop:instrument>
      <eop:sensor>
        <ps:Sensor>
          <eop:sensorType>OPTICAL</eop:sensorType>
          <eop:resolution uom="m">$resolution</eop:resolution>
          <ps:scanType>FRAME</ps:scanType>
        </ps:Sensor>
      </eop:sensor>
      <eop:acquisitionParameters>
        <ps:Acquisition>
          <eop:orbitDirection>DESCENDING</eop:orbitDirection>
          <eop:incidenceAngle uom="deg">$incidence</eop:incidenceAngle>
          <opt:illuminationAzimuthAngle uom="deg">$sun_azimuth</opt:illuminationAzimuthAngle>
          <opt:illuminationElevationAngle uom="deg">$sun_elevation</opt:illuminationElevationAngle>
          <ps:azimuthAngle uom="deg">$azimuth</ps:azimuthAngle>
          <ps:spaceCraftViewAngle uom="deg">$view_angle</ps:spaceCraftViewAngle>
          <ps:acquisitionDateTime>$time</ps:acquisitionDateTime>
        </ps:Acquisition>
      </eop:acquisitionParameters>
    </eop:EarthObservationEquipment>
  </gml:using>
  <gml:target>
    <ps:Footprint>
      <gml:multiExtentOf>
       <gml:MultiSurface srsName="EPSG:4326">
        <gml:surfaceMembers>
          <gml:Polygon srsName="EPSG:4326"><gml:outerBoundaryIs><gml:LinearRing>
            <gml:coordinates>$ring</gml:coordinates>
          </gml:LinearRing></gml:outerBoundaryIs></gml:Polygon>
        </gml:surfaceMembers>
       </gml:MultiSurface>
      </gml:multiExtentOf>
      <gml:centerOf>
        <gml:Point srsName="EPSG:4326">
        <gml:pos>$centre</gml:pos>
        </gml:Point>
      </gml:centerOf>
      <ps:geographicLocation>
        <ps:topLeft>
          <ps:latitude>$north</ps:latitude>
          <ps:longitude>$west</ps:longitude>
        </ps:topLeft>
        <ps:topRight>
          <ps:latitude>$north</ps:latitude>
          <ps:longitude>$east</ps:longitude>
        </ps:topRight>
        <ps:bottomRight>
          <ps:latitude>$south</ps:latitude>
          <ps:longitude>$east</ps:longitude>
        </ps:bottomRight>
        <ps:bottomLeft>
          <ps:latitude>$south</ps:latitude>
          <ps:longitude>$west</ps:longitude>
        </ps:bottomLeft>
      </ps:geographicLocation>
    </ps:Footprint>
  </gml:target>
  <gml:resultOf>
    <ps:EarthObservationResult>
      <eop:product>
        <ps:ProductInformation>
          <eop:fileName>$identifier.tif</eop:fileName>
          <ps:productFormat>GeoTIFF</ps:productFormat>
          <ps:spatialReferenceSystem>
            <ps:epsgCode>$epsg</ps:epsgCode>
            <ps:geodeticDatum>WGS_1984</ps:geodeticDatum>
            <ps:projection>$projection</ps:projection>
          </ps:spatialReferenceSystem>
          <ps:resamplingKernel>CC</ps:resamplingKernel>
          <ps:numRows>$rows</ps:numRows>
          <ps:numColumns>$columns</ps:numColumns>
          <ps:numBands>$count</ps:numBands>
          <ps:rowGsd>$gsd</ps:rowGsd>
          <ps:columnGsd>$gsd</ps:columnGsd>
          <ps:radiometricCorrectionApplied>true</ps:radiometricCorrectionApplied>
          <ps:geoCorrectionLevel>Precision Geocorrection</ps:geoCorrectionLevel>
          <ps:elevationCorrectionApplied>FineDEM</ps:elevationCorrectionApplied>
          <ps:atmosphericCorrectionApplied>false</ps:atmosphericCorrectionApplied>
        </ps:ProductInformation>
      </eop:product>
      <eop:mask>
        <eop:MaskInformation>
        <eop:type>UNUSABLE DATA</eop:type>
        <eop:format>RASTER</eop:format>
        <eop:referenceSystemIdentifier codeSpace="EPSG">$epsg</eop:referenceSystemIdentifier>
        <eop:fileName>NA</eop:fileName>
        </eop:MaskInformation>
      </eop:mask>
      <opt:cloudCoverPercentage uom="percentage">$cloud</opt:cloudCoverPercentage>
      <opt:cloudCoverPercentageQuotationMode>AUTOMATIC</opt:cloudCoverPercentageQuotationMode>
      <ps:unusableDataPercentage uom="percentage">0.0</ps:unusableDataPercentage>
$bands
    </ps:EarthObservationResult>
  </gml:resultOf>
</ps:EarthObservation>
"""

BAND = """\
<ps:bandSpecificMetadata>
  <ps:bandNumber>$number</ps:bandNumber>
  <!-- Multiply by radiometricScaleFactor to convert DNs to TOA Radiance (watts per steradian per square metre -->
  <ps:radiometricScaleFactor>$scale</ps:radiometricScaleFactor>
  <!-- Multiply by reflectanceCoefficient to convert DNs to TOA Reflectance -->
  <ps:reflectanceCoefficient>$coefficient</ps:reflectanceCoefficient>
</ps:bandSpecificMetadata>"""
